"""Requests about texts: to order, label and answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrank import api_tasks, api_texts
from tailrank.client.sending import Request, path_of, posted, sends


class TextRequests:
    """The methods that both clients have for texts."""

    @sends
    def rerank(
        self,
        documents: Sequence[str],
        *,
        query: str | None = None,
        user: str | None = None,
        top_n: int | None = None,
        return_documents: bool | None = None,
    ) -> Request[api_texts.RerankResponse]:
        """Order texts by a query, a user, or both.

        Parameters
        ----------
        documents
            The texts.
        query
            What they should be relevant to.
        user
            Whose stored history they should fit.
        top_n
            How many to return; all by default.
        return_documents
            Whether the response includes the texts.
        """
        body = api_texts.RerankRequest(list(documents), None, query, user, top_n, return_documents)
        return posted("/v1/rerank", body, api_texts.RerankResponse)

    @sends
    def tasks(self) -> Request[api_tasks.Tasks]:
        """List the tasks that are served, with the labels that they know."""
        return Request("GET", "/v1/tasks", api_tasks.Tasks)

    @sends
    def label(
        self, task: str, texts: Sequence[str], *, entities: Sequence[str] | None = None
    ) -> Request[api_tasks.LabelResponse]:
        """Label texts, at most 64.

        Parameters
        ----------
        task
            Name of the task.
        texts
            The texts.
        entities
            What to judge in each text, for a task of the kind `entity`.
        """
        body = api_tasks.LabelRequest(list(texts), None if entities is None else list(entities))
        return posted(path_of("tasks", task), body, api_tasks.LabelResponse)

    @sends
    def ask(
        self,
        question: str,
        *,
        turns: Sequence[str] = (),
        recent: Sequence[str] = (),
        facts: Mapping[str, str] | None = None,
    ) -> Request[api_tasks.SupportAnswer]:
        """Ask the support desk.

        Parameters
        ----------
        question
            What a customer asks.
        turns
            The customer's questions before it, oldest first.
        recent
            Ids of entries that the customer looked at, oldest first.
        facts
            What fills the slots of answers, by their names.
        """
        body = api_tasks.SupportQuestion(question, list(turns), list(recent), dict(facts or {}))
        return posted("/v1/support/ask", body, api_tasks.SupportAnswer)

    @sends
    def give_feedback(
        self, question: str, entry_id: str, *, accepted: bool
    ) -> Request[api_tasks.FeedbackStored]:
        """Say whether an entry answered a question, as the answer's `read` gives it: it is durable then."""
        body = api_tasks.SupportFeedback(question, entry_id, accepted)
        return posted("/v1/support/feedback", body, api_tasks.FeedbackStored)
