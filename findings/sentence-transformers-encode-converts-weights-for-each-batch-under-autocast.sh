#!/usr/bin/env bash
# sentence-transformers 6.2.0 with torch 2.13.0, on a CPU.
#
# `torch.autocast` converts a weight to bfloat16 once and keeps it until its block ends, so encoding many batches within
# one block should convert each weight once. `SentenceTransformer.encode` enters `torch.inference_mode`, and there autocast
# keeps nothing: every weight is converted anew for every batch. Nothing says so, and the vectors are the same. The same
# modules called under `torch.no_grad` within the same block convert each weight once. With small batches of short texts, as
# on a CPU, that is time that every batch pays: about a tenth of it with a 22M encoder and 72 tokens a text.
#
# Output seen (conversions of the one weight of a layer, in ten batches):
#   encode: 10
#   the same modules under no_grad: 1
#   a bare layer under inference_mode: 10
#
# What works: `model.preprocess` and `model(...)` for each batch, all under `torch.no_grad()` and one autocast block.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  sentence-transformers==6.2.0 torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3 numpy==2.4.6
cat > "$work/conversions.py" <<'PYTHON'
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch.profiler import ProfilerActivity, profile

BATCH, BATCHES, WIDTH = 2, 10, 64
words = ["[UNK]", "tea", "pot", "jar", "plum"]
tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = Whitespace()
layers = [StaticEmbedding(tokenizer, embedding_dim=WIDTH), Dense(WIDTH, WIDTH)]
model = SentenceTransformer(modules=layers, device="cpu")
texts = ["tea pot", "plum jar"] * BATCHES


def conversions(work):
    """Count how often a weight of the layer, alone of its shape, is converted to another type."""
    with torch.autocast("cpu", dtype=torch.bfloat16), profile(
        activities=[ProfilerActivity.CPU], record_shapes=True
    ) as seen:
        work()
    return sum(
        each.count
        for each in seen.key_averages(group_by_input_shape=True)
        if each.key == "aten::_to_copy" and each.input_shapes[0] == [WIDTH, WIDTH]
    )


@torch.no_grad()
def by_hand():
    for at in range(0, len(texts), BATCH):
        model(model.preprocess(texts[at : at + BATCH]))


@torch.inference_mode()
def bare():
    layer, rows = torch.nn.Linear(WIDTH, WIDTH), torch.randn(BATCH, WIDTH)
    for _ in range(BATCHES):
        layer(rows)


print("encode:", conversions(lambda: model.encode(texts, batch_size=BATCH)))
print("the same modules under no_grad:", conversions(by_hand))
print("a bare layer under inference_mode:", conversions(bare))
PYTHON
"$work/venv/bin/python" "$work/conversions.py" 2> /dev/null | grep -E '^(encode|the same|a bare)' | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
encode: 10
the same modules under no_grad: 1
a bare layer under inference_mode: 10
EXPECTED
