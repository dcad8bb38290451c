#!/usr/bin/env python3
"""What the Hugging Face library (module `tokenizers`) makes of texts, for oracle_test.cpp.

usage: oracle.py tokens|words|pairs VOCABULARY CASES ANSWERS
Numbers are little-endian u32, a text is its size in bytes and its UTF-8.
tokens: cases are texts; an answer is a count and (id, begin byte, end byte) for each token.
words:  cases are texts; an answer is a text, the words joined by NUL, before they are looked up.
pairs:  cases are (text a, text b, tokens_max); an answer is a count, the ids, the token types."""
import array
import struct
import sys

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

BATCH = 20_000
NORMALIZER = normalizers.BertNormalizer(
    clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
SPLITTER = pre_tokenizers.BertPreTokenizer()


def bert(vocabulary):
    tokenizer = Tokenizer(models.WordPiece.from_file(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = NORMALIZER
    tokenizer.pre_tokenizer = SPLITTER
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.encode_special_tokens = True  # special tokens spelled out in a text stay text
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]")))
    return tokenizer


class Cases:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.at = 0

    def __bool__(self):
        return self.at < len(self.data)

    def number(self):
        (value,) = struct.unpack_from("<I", self.data, self.at)
        self.at += 4
        return value

    def text(self):
        size = self.number()
        self.at += size
        return self.data[self.at - size:self.at].decode("utf-8")

    def texts(self):
        batch = []
        while self and len(batch) < BATCH:
            batch.append(self.text())
        return batch


def byte_offsets(text):
    """By character (and the end of the text): where it begins in UTF-8."""
    offsets, at = [0], 0
    for char in text:
        at += len(char.encode())
        offsets.append(at)
    return offsets


def answer_tokens(tokenizer, cases, out):
    while batch := cases.texts():
        for text, got in zip(batch, tokenizer.encode_batch(batch, add_special_tokens=False)):
            place = range(len(text) + 1) if text.isascii() else byte_offsets(text)
            numbers = array.array("I", [len(got.ids)])
            for token, (begin, end) in zip(got.ids, got.offsets):
                numbers.extend((token, place[begin], place[end]))
            out.write(numbers.tobytes())


def answer_words(cases, out):
    while cases:
        words = SPLITTER.pre_tokenize_str(NORMALIZER.normalize_str(cases.text()))
        text = "\0".join(word for word, _ in words).encode()
        out.write(struct.pack("<I", len(text)) + text)


def answer_pairs(tokenizer, cases, out):
    limit = None
    while cases:
        first, second, tokens_max = cases.text(), cases.text(), cases.number()
        if tokens_max != limit:
            tokenizer.enable_truncation(max_length=tokens_max, strategy="longest_first")
            limit = tokens_max
        got = tokenizer.encode(first, second)
        out.write(array.array("I", [len(got.ids), *got.ids, *got.type_ids]).tobytes())


def main(mode, vocabulary, source, target):
    cases = Cases(source)
    with open(target, "wb") as out:
        if mode == "words":
            answer_words(cases, out)
        elif mode == "tokens":
            answer_tokens(bert(vocabulary), cases, out)
        else:
            answer_pairs(bert(vocabulary), cases, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
