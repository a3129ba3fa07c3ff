"""Clients of a tailrank server: one that blocks, and one for asyncio with the same methods."""

from tailrank.client.clients import AsyncClient, Client, ServerError
from tailrank.client.requests import new_event

__all__ = ["AsyncClient", "Client", "ServerError", "new_event"]
