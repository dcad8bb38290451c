#!/usr/bin/env python3
"""The Hugging Face tokenizer (module `tokenizers`, compiled Rust) as tokenizer_bench's rival.

usage: tokenizer_rival.py VOCABULARY TEXTS
TEXTS: for each of two workloads, pairs and documents: a count, then the texts, each its size and
its UTF-8; numbers are little-endian u32. Pairs come as text a, text b.
For each line on stdin, "pairs N" or "documents N", runs the workload N times and answers on
stdout with the CPU seconds it took and the number of tokens of one time."""
import os
import struct
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread, as ours
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: E402


def read_texts(path):
    with open(path, "rb") as file:
        data = file.read()
    at, groups = 0, []
    while at < len(data):
        (count,) = struct.unpack_from("<I", data, at)
        at += 4
        texts = []
        for _ in range(count):
            (size,) = struct.unpack_from("<I", data, at)
            texts.append(data[at + 4:at + 4 + size].decode())
            at += 4 + size
        groups.append(texts)
    return groups


def main(vocabulary, source):
    tokenizer = Tokenizer(models.WordPiece.from_file(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]")))
    pairs, documents = read_texts(source)
    pairs = list(zip(pairs[::2], pairs[1::2]))
    # The fast call makes no offsets, as the reranker needs none; a chunker needs them.
    pairs_encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
    print("ready", flush=True)
    for line in sys.stdin:
        name, times = line.split()
        if name == "pairs":
            tokenizer.enable_truncation(max_length=256, strategy="longest_first")
        else:
            tokenizer.no_truncation()
        start = time.process_time()
        for _ in range(int(times)):
            got = (pairs_encode(pairs) if name == "pairs" else
                   tokenizer.encode_batch(documents, add_special_tokens=False))
        took = time.process_time() - start
        print(took, sum(len(one.ids) for one in got), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
