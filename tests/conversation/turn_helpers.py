"""Turns on the cars of the benchmark, of which ten are shown."""

from __future__ import annotations

import numpy as np
from bench.conversation import cars

from tailrank.api_conversation import Change, Conversation, Reading
from tailrank.conversation.reader import TurnReader
from tailrank.conversation.said import after
from tailrank.language.onnx_encoder import OnnxEncoder

CARS = cars()
SHOWN = CARS.items["item_id"].head(10).to_list()  # Acura Integra, Acura Legend, Audi 90, …
NOW = Conversation(shown=SHOWN)
MEDIAN = float(np.median(CARS.items["price"].head(10).to_numpy()))


def read(text: str, reader: TurnReader, encoder: OnnxEncoder, conversation: Conversation = NOW) -> Reading:
    return reader.read(text, conversation, CARS, encoder)


def changes(reading: Reading) -> list[Change]:
    return [each.change for each in reading.understood if each.change is not None]


def spoken(reader: TurnReader, encoder: OnnxEncoder, *texts: str) -> Conversation:
    conversation = NOW
    for text in texts:
        conversation = after(conversation, read(text, reader, encoder, conversation))
    return conversation
