"""Clients of a tailrank server: one that blocks, and one for asyncio with the same methods."""

from tailrank.client.clients import AsyncClient, Client, RefusedEntriesError, ServerError
from tailrank.client.requests import new_event
from tailrank.client.search_pages import SearchPage

__all__ = ["AsyncClient", "Client", "RefusedEntriesError", "SearchPage", "ServerError", "new_event"]
