"""Models of random weights as Hugging Face directories, and what they should give: the same model in
double precision. Needs PyTorch and transformers."""
import json
import shutil

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForSequenceClassification, BertModel

# Normal weights of this spread make GELU bend, and logits of about -15 … 15. Queries and keys are
# larger by the shape's sharpness: attention chooses, and texts differ in their scores.
SPREAD = 0.08


def _randomise(model, sharpness, seed):
    draw = torch.Generator().manual_seed(seed)
    for name, tensor in model.named_parameters():
        with torch.no_grad():
            if "LayerNorm.weight" in name:
                tensor.normal_(1, 0.1, generator=draw)
            elif tensor.dim() == 1:
                tensor.normal_(0, 0.1, generator=draw)
            elif "embeddings" in name:
                tensor.normal_(0, 0.5, generator=draw)
            else:
                larger = (sharpness if ".query." in name or ".key." in name else
                          10 if name == "classifier.weight" else 1)
                tensor.normal_(0, larger * SPREAD, generator=draw)


def directory_of(folder, shape, embeds):
    return folder / f"{shape.name}-{'bi' if embeds else 'cross'}"


def make(shape, cross_encoder, directory, vocabulary, seed=1):
    """Writes the model and returns it, in fp32."""
    config = BertConfig(vocab_size=30522, hidden_size=shape.hidden, num_hidden_layers=shape.layers,
                        num_attention_heads=shape.heads, intermediate_size=shape.intermediate,
                        max_position_embeddings=512, num_labels=1)
    model = (BertForSequenceClassification if cross_encoder else BertModel)(config).eval()
    _randomise(model, shape.sharpness, seed)
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    shutil.copyfile(vocabulary, directory / "vocab.txt")
    BertWordPieceTokenizer(str(vocabulary), lowercase=True).save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}))
    return model


def padded(sequences, device):
    """ids, types and mask, padded to the longest: what a transformers model takes."""
    longest = max(len(ids) for ids, _ in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for i, (tokens, segment_b) in enumerate(sequences):
        ids[i, :len(tokens)] = torch.tensor(tokens)
        types[i, segment_b:len(tokens)] = 1
        mask[i, :len(tokens)] = 1
    return {"input_ids": ids.to(device), "token_type_ids": types.to(device), "attention_mask": mask.to(device)}


def mean_pool(states, mask):
    """Mean of the tokens' states, L2 norm 1."""
    weights = mask.to(states.dtype).unsqueeze(-1)
    mean = (states * weights).sum(1) / weights.sum(1)
    return torch.nn.functional.normalize(mean, dim=1)


def output(model, inputs):
    """Logits [B] or vectors [B, H] of either kind of model."""
    if hasattr(model, "classifier"):
        return model(**inputs).logits[:, 0]
    return mean_pool(model(**inputs).last_hidden_state, inputs["attention_mask"])


@torch.inference_mode()
def reference(model, sequences, device, dtype=torch.float64, together=16):
    """What the model gives for each sequence, as lists, in the order given. By length, so that little
    is padded; padding changes nothing at this precision."""
    model = model.to(device=device, dtype=dtype)
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i][0]))
    out = [None] * len(sequences)
    for first in range(0, len(order), together):
        some = order[first:first + together]
        for i, row in zip(some, output(model, padded([sequences[i] for i in some], device)).tolist()):
            out[i] = row
    return out
