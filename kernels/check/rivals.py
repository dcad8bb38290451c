"""What others make of the same model on the same GPU, in fp16. Needs PyTorch, transformers and, for
CrossEncoder, sentence-transformers. Each contender is a function without arguments that takes one
call from the host's ids (or texts) to numbers on the host."""
import time
from types import SimpleNamespace

import torch
import torch.nn.functional as F

from . import models


def pinned(tensor):
    return tensor.pin_memory() if torch.cuda.is_available() else tensor


class Sdpa:
    """R2: transformers with scaled-dot-product attention, eager, padded to the longest."""
    name = "transformers SDPA fp16"

    def __init__(self, directory, sequences, device, embeds):
        from transformers import AutoModel, AutoModelForSequenceClassification
        kind = AutoModel if embeds else AutoModelForSequenceClassification
        self.device, self.dtype = device, torch.float16
        model = kind.from_pretrained(directory, attn_implementation="sdpa").eval()
        self.model = self.made_of(model).to(device, self.dtype)
        host = models.padded(sequences, "cpu")
        self.full = bool(host["attention_mask"].all())
        self.mask = host.pop("attention_mask").to(device)
        self.host = {name: pinned(tensor) for name, tensor in host.items()}
        self.here = {name: tensor.to(device) for name, tensor in host.items()}
        # Made ready once: without padding no mask at all, else the one that attention adds. Every
        # call has these lengths.
        self.added = None
        if not self.full:
            closed = torch.finfo(self.dtype).min
            added = torch.zeros(self.mask.shape, dtype=self.dtype, device=device)
            added.masked_fill_(self.mask == 0, closed)
            length = self.mask.shape[1]
            self.added = added[:, None, None, :].expand(-1, 1, length, -1).contiguous()
        self.out = None

    def made_of(self, model):
        return model

    def forward(self):
        result = self.model(**self.here, attention_mask=self.added)
        if hasattr(result, "logits"):
            return result.logits[:, 0].float()
        return models.mean_pool(result.last_hidden_state.float(), self.mask)

    def copy_in(self):
        for name, tensor in self.host.items():
            self.here[name].copy_(tensor, non_blocking=True)

    def finish(self, result):
        if self.out is None:
            self.out = pinned(torch.empty(result.shape, dtype=result.dtype))
        self.out.copy_(result, non_blocking=True)
        if self.device != "cpu":
            torch.cuda.current_stream().synchronize()
        return self.out

    @torch.inference_mode()
    def __call__(self):
        self.copy_in()
        return self.finish(self.forward())


class Compiled(Sdpa):
    """R3: the same through torch.compile, which makes its own CUDA graphs."""
    name = "torch.compile reduce-overhead fp16"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.model = torch.compile(self.model, mode="reduce-overhead")


class Captured(Sdpa):
    """R5: the whole pass captured by hand in one CUDA graph of a fixed shape."""
    name = "SDPA fp16 in a CUDA graph"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        with torch.inference_mode():
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self.forward()
            torch.cuda.current_stream().wait_stream(side)
            torch.cuda.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.result = self.forward()

    @torch.inference_mode()
    def __call__(self):
        self.copy_in()
        self.graph.replay()
        return self.finish(self.result)


class PlainBert(torch.nn.Module):
    """The same weights in PyTorch alone, with query, key and value in one product."""

    def __init__(self, model):
        super().__init__()
        self.bert = getattr(model, "bert", model)
        self.classifier = getattr(model, "classifier", None)
        config = model.config
        self.heads, self.eps = config.num_attention_heads, config.layer_norm_eps
        for layer in self.bert.encoder.layer:
            own = layer.attention.self
            layer.fused = torch.nn.Linear(config.hidden_size, 3 * config.hidden_size)
            with torch.no_grad():
                layer.fused.weight.copy_(torch.cat([own.query.weight, own.key.weight, own.value.weight]))
                layer.fused.bias.copy_(torch.cat([own.query.bias, own.key.bias, own.value.bias]))

    def norm(self, x, with_weights):
        return F.layer_norm(x, x.shape[-1:], with_weights.weight, with_weights.bias, self.eps)

    def forward(self, input_ids, token_type_ids, attention_mask):
        tables = self.bert.embeddings
        x = (tables.word_embeddings.weight[input_ids] + tables.token_type_embeddings.weight[token_type_ids] +
             tables.position_embeddings.weight[:input_ids.shape[1]])
        x = self.norm(x, tables.LayerNorm)
        count, length, hidden = x.shape
        for layer in self.bert.encoder.layer:
            parts = layer.fused(x).view(count, length, 3, self.heads, hidden // self.heads).permute(2, 0, 3, 1, 4)
            context = F.scaled_dot_product_attention(*parts, attn_mask=attention_mask)
            context = context.transpose(1, 2).reshape(count, length, hidden)
            x = self.norm(x + layer.attention.output.dense(context), layer.attention.output.LayerNorm)
            inner = F.gelu(layer.intermediate.dense(x))
            x = self.norm(x + layer.output.dense(inner), layer.output.LayerNorm)
        if self.classifier is None:
            return SimpleNamespace(last_hidden_state=x)
        return SimpleNamespace(logits=self.classifier(torch.tanh(self.bert.pooler.dense(x[:, 0]))))


class Plain(Sdpa):
    """The same in plain PyTorch, eager."""
    name = "plain PyTorch, fused QKV, fp16"

    def made_of(self, model):
        return PlainBert(model)


class CapturedPlain(Plain, Captured):
    """R5b: plain PyTorch with fused QKV in one CUDA graph: nothing of transformers is left."""
    name = "plain PyTorch, fused QKV, fp16 in a CUDA graph"


class Sentence:
    """R1: CrossEncoder.predict, texts to scores."""
    name = "CrossEncoder.predict fp16, from texts"

    def __init__(self, directory, query, texts, device, tokens_max):
        from sentence_transformers import CrossEncoder
        self.model = CrossEncoder(str(directory), device=device, max_length=tokens_max,
                                  activation_fn=torch.nn.Identity())
        self.model.to(torch.float16)
        self.pairs = [(query, text) for text in texts]

    def __call__(self):
        return self.model.predict(self.pairs, batch_size=32, show_progress_bar=False)


KINDS = {"sdpa": Sdpa, "captured": Captured, "plain": Plain, "captured_plain": CapturedPlain, "compiled": Compiled}


def numbers(result):
    return torch.as_tensor(result).double().cpu().tolist()


# ---------------------------------------------------------------- measuring

def timed(call, count):
    """Microseconds of each of `count` calls."""
    took = []
    for _ in range(count):
        start = time.perf_counter_ns()
        call()
        took.append((time.perf_counter_ns() - start) / 1e3)
    return took


def interleaved(contenders, seconds, runs_min=1000, rounds=10):
    """Times of every contender, in turns. contenders: name -> function that takes a number of calls
    and returns as many times in microseconds. Each gets about its share of the seconds, and no more
    calls than runs_min; at least 3 in each round."""
    estimates, all_times = {}, {name: [] for name in contenders}
    for name, measure in contenders.items():
        measure(3)                                     # What comes first is slow.
        estimates[name] = sorted(measure(5))[2] / 1e6
    share = seconds / rounds / max(len(contenders), 1)
    for _ in range(rounds):
        for name, measure in contenders.items():
            count = max(3, min(-(-runs_min // rounds), int(share / max(estimates[name], 1e-7))))
            all_times[name] += measure(count)
    return all_times


def device_us(replay, count=200):
    """Median of the GPU's own time of one replay, by events, microseconds."""
    took = []
    for _ in range(count):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        replay()
        end.record()
        end.synchronize()
        took.append(start.elapsed_time(end) * 1e3)
    return sorted(took)[len(took) // 2]


def kernels_of(work, calls):
    """What the profiler saw of the device while `work` made so many calls: a row a kernel or copy, ours and
    cuBLASLt's, by its time."""
    from torch.profiler import ProfilerActivity, profile
    work()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
        torch.cuda.synchronize()
    rows = []
    for one in seen.key_averages():
        took = next((getattr(one, name) for name in ("self_device_time_total", "self_cuda_time_total")
                     if hasattr(one, name)), 0)
        if took > 0:
            rows.append({"kernel": one.key[:90], "calls": one.count / calls, "us_each": took / one.count,
                         "us_a_pass": took / calls})
    return sorted(rows, key=lambda row: -row["us_a_pass"])


def ceilings():
    """(floating-point operations, bytes) a second of this GPU: a large product and a large copy, fp16."""
    size = 8192
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.float16) for _ in range(2))
    out = torch.empty_like(a)
    wide = torch.randn(1 << 30, device="cuda", dtype=torch.float16)
    copy = torch.empty_like(wide)
    for work in (lambda: torch.mm(a, b, out=out), lambda: copy.copy_(wide)):
        for _ in range(3):
            work()
    torch.cuda.synchronize()
    product = device_us(lambda: torch.mm(a, b, out=out), 15)
    moved = device_us(lambda: copy.copy_(wide), 15)
    return 2 * size ** 3 / product * 1e6, 2 * wide.numel() * 2 / moved * 1e6
