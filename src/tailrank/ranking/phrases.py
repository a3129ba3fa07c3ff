"""The words of explanations, by language: of each part of a score, and what joins them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from tailrank.api import Language


class Phrase(NamedTuple):
    """What is said of a part of a score. `{event}` is the title of the event behind it, in quotes.

    `topic` names what it is about, `much` and `little` compare an item with its list, `more` and `less` with
    one other item.
    """

    topic: str
    much: str
    little: str
    more: str
    less: str


@dataclass(frozen=True)
class Wording:
    """One language.

    Attributes
    ----------
    phrases
        By the name of a contribution.
    speaks_for, speaks_against
        Of a `{topic}`: for a contribution without a phrase, such as a vector space of one's own, that is its
        name.
    again, first
        For signals of what is chosen again: whether the item itself was chosen before.
    because, above
        Sentences about one item, with `{reasons}`, and about two, with `{item}` and `{other}`, too.
    nothing, alike
        The same if nothing speaks for or against.
    joined, but
        Between two reasons on one side, and before one on the other.
    without
        Of the `{events}` without which `{item}` would not be among the first `{k}`.
    comma, last
        Between events, and before the last of them.
    history
        What an item has in common with, if no single event stands out.
    labels
        Of a page that shows explanations.
    """

    phrases: Mapping[str, Phrase]
    speaks_for: str
    speaks_against: str
    again: str
    first: str
    because: str
    above: str
    nothing: str
    alike: str
    joined: str
    but: str
    without: str
    comma: str
    last: str
    history: str
    labels: Mapping[str, str]

    def quoted(self, title: str) -> str:
        """Put a title in quotes."""
        return f"“{title}”"


ENGLISH: Final = Wording(
    {
        "base": Phrase(
            "how often it was chosen",
            "items chosen as often do well",
            "items chosen as often do badly",
            "items chosen as often as it do better",
            "items chosen as often as it do worse",
        ),
        "semantic": Phrase(
            "how it reads",
            "it reads like {event}",
            "it reads less like the history",
            "it reads more like {event}",
            "it reads less like {event}",
        ),
        "tuned": Phrase(
            "how it reads to such users",
            "users of {event} choose what reads like it",
            "such users choose what reads otherwise",
            "users of {event} rather choose what reads like it",
            "users of {event} rather choose what reads like the other",
        ),
        "lexical": Phrase(
            "its wording",
            "it shares words with {event}",
            "it shares fewer words with the history",
            "it shares more words with {event}",
            "it shares fewer words with {event}",
        ),
        "covisitation": Phrase(
            "what is chosen after such events",
            "it is chosen soon after {event}",
            "it seldom follows such a history",
            "it follows {event} more often",
            "it follows {event} less often",
        ),
        "item-knn": Phrase(
            "what users with such histories choose",
            "users of {event} choose it too",
            "users with such histories seldom choose it",
            "users of {event} choose it more often",
            "users of {event} choose it less often",
        ),
        "popularity": Phrase(
            "how often it was chosen lately",
            "it was chosen often lately",
            "it was chosen seldom lately",
            "it was chosen more often lately",
            "it was chosen less often lately",
        ),
        "taste": Phrase(
            "how rare or popular it is",
            "it is as rare or popular as this user likes",
            "this user likes what is rarer or more popular",
            "it is nearer to how rare or popular this user likes items",
            "it is further from how rare or popular this user likes items",
        ),
        "sequence": Phrase(
            "the sequence model",
            "the sequence model expects it next",
            "the sequence model expects others next",
            "the sequence model rather expects it next",
            "the sequence model rather expects the other next",
        ),
        "tail": Phrase(
            "the tail policy",
            "it is rare, and the tail policy lifts it",
            "it is popular, and the tail policy lifts others",
            "the tail policy lifts it further",
            "the tail policy lifts it less",
        ),
        "knowledge": Phrase(
            "what it has to do with",
            "it has people or things in common with {event}",
            "it has less in common with the history",
            "it has more people or things in common with {event}",
            "it has fewer people or things in common with {event}",
        ),
        "objective": Phrase(
            "an objective of the shop",
            "an objective of the shop lifts it",
            "an objective of the shop lifts others",
            "an objective of the shop lifts it further",
            "an objective of the shop lifts it less",
        ),
        "fresh": Phrase(
            "how new it is",
            "it is new",
            "others are newer",
            "it is newer",
            "it is older",
        ),
        "xquad": Phrase(
            "the share of the tail",
            "it is further up for the share of the tail that this user likes",
            "others are further up for the share of the tail that this user likes",
            "it is further up for the share of the tail that this user likes",
            "the other is further up for the share of the tail that this user likes",
        ),
        "exposure": Phrase(
            "the tail's share of the first ranks",
            "it takes a rank that is kept for the tail",
            "it gives way to an item of the tail",
            "it takes a rank that is kept for the tail",
            "the other takes a rank that is kept for the tail",
        ),
        "calibration": Phrase(
            "the mix that this user likes",
            "the mix of the list comes nearer to this user's by it",
            "the mix of the list comes nearer to this user's by others",
            "the mix of the list comes nearer to this user's by it",
            "the mix of the list comes nearer to this user's by the other",
        ),
        "diversity": Phrase(
            "diversity",
            "it differs from what is above it",
            "others that differ more are above it",
            "it differs more from what is above",
            "the other differs more from what is above",
        ),
        "similarity-ceiling": Phrase(
            "the ceiling of similarity",
            "others that resemble each other too much make room for it",
            "it resembles an item above it too much",
            "others that resemble each other too much make room for it",
            "it resembles an item above it too much",
        ),
        "cap": Phrase(
            "a cap on items of one kind",
            "others of a kind that is capped make room for it",
            "enough of its kind are above it",
            "others of a kind that is capped make room for it",
            "enough of its kind are above it",
        ),
        "fair": Phrase(
            "a floor for a group",
            "a floor for its group lifts it",
            "it makes room for a group that has a floor",
            "a floor for its group lifts it",
            "it makes room for a group that has a floor",
        ),
        "rules": Phrase(
            "rules of the shop",
            "rules of the shop leave room for it",
            "it makes room for what rules of the shop place",
            "rules of the shop leave more room for it",
            "it makes room for what rules of the shop place",
        ),
        "exploration": Phrase(
            "exploration",
            "exploration tries it further up",
            "exploration tries others further up",
            "exploration tries it further up",
            "exploration tries the other further up",
        ),
        "upstream": Phrase(
            "its recommender",
            "its recommender scores it high",
            "its recommender scores it low",
            "its recommender scores it higher",
            "its recommender scores it lower",
        ),
        "rank kept": Phrase(
            "keeping the ranks of unknown items",
            *["the model doesn't know it"] * 2,
            *["ranks of unknown items are kept"] * 2,
        ),
    },
    speaks_for="{topic} speaks for it",
    speaks_against="{topic} speaks against it",
    again="it was chosen before",
    first="it was not chosen before",
    because="because {reasons}",
    above="{item} is above {other} because {reasons}",
    nothing="because nothing sets it apart",
    alike="nothing sets {item} and {other} apart",
    joined=", and ",
    but=", but ",
    without="without {events}, {item} would not be among the first {k}",
    comma=", ",
    last=" and ",
    history="the history",
    labels={
        "heading": "Why these items are where they are",
        "history": "What the user did, the latest first",
        "nothing": "Nothing that the model knows.",
        "score": "score",
        "was": "was",
        "mean": "mean of the list",
        "moves": "Moved after the score",
        "events": "What each event gave",
        "event": "event",
        "all": "all",
        "removed": "Taken from the list",
        "sum": "Scores are log-odds. The mean of the list is the same for all items; each bar is how much "
        "more or less of a part an item has than the list on average. Together they add up to the score.",
    },
)

CHINESE: Final = Wording(
    {
        "base": Phrase(
            "被选次数",
            "被选次数相近的物品往往表现较好",
            "被选次数相近的物品往往表现较差",
            "与它被选次数相近的物品表现更好",
            "与它被选次数相近的物品表现更差",
        ),
        "semantic": Phrase(
            "内容",
            "它的内容与{event}相近",
            "它的内容与以往所选不太相近",
            "它的内容更接近{event}",
            "它的内容离{event}更远",
        ),
        "tuned": Phrase(
            "在这类用户看来的内容",
            "选过{event}的用户会选内容与它相近的物品",
            "这类用户会选内容与它不同的物品",
            "选过{event}的用户更愿意选内容与它相近的物品",
            "选过{event}的用户更愿意选内容与后者相近的物品",
        ),
        "lexical": Phrase(
            "用词",
            "它与{event}有共同的词语",
            "它与以往所选的共同词语较少",
            "它与{event}的共同词语更多",
            "它与{event}的共同词语更少",
        ),
        "covisitation": Phrase(
            "这些历史之后常选的物品",
            "选过{event}之后不久常会选它",
            "有这样历史的用户之后很少选它",
            "选过{event}之后更常选它",
            "选过{event}之后较少选它",
        ),
        "item-knn": Phrase(
            "历史相似的用户的选择",
            "选过{event}的用户也会选它",
            "历史相似的用户很少选它",
            "选过{event}的用户更常选它",
            "选过{event}的用户较少选它",
        ),
        "popularity": Phrase(
            "近来被选的多少", "它近来常被选择", "它近来较少被选择", "它近来被选得更多", "它近来被选得更少"
        ),
        "taste": Phrase(
            "冷热程度",
            "它的冷热程度合这位用户的口味",
            "这位用户偏爱更冷门或更热门的物品",
            "它的冷热程度更合这位用户的口味",
            "它的冷热程度不如后者合这位用户的口味",
        ),
        "sequence": Phrase(
            "序列模型",
            "序列模型预计接下来会选它",
            "序列模型预计接下来会选别的",
            "序列模型更看好它",
            "序列模型更看好后者",
        ),
        "tail": Phrase(
            "长尾策略",
            "它比较冷门，长尾策略把它提前",
            "它比较热门，长尾策略把别的提前",
            "长尾策略对它的提升更大",
            "长尾策略对它的提升更小",
        ),
        "knowledge": Phrase(
            "相关的人和事物",
            "它与{event}有共同的人或事物",
            "它与以往所选的共同之处较少",
            "它与{event}有更多共同的人或事物",
            "它与{event}共同的人或事物更少",
        ),
        "objective": Phrase(
            "店铺的目标",
            "店铺的目标把它提前",
            "店铺的目标把别的提前",
            "店铺的目标对它的提升更大",
            "店铺的目标对它的提升更小",
        ),
        "fresh": Phrase(
            "新旧",
            "它是新上的",
            "别的更新",
            "它更新",
            "它更旧",
        ),
        "xquad": Phrase(
            "长尾所占的比例",
            "按这位用户喜欢的长尾比例，它排得更靠前",
            "按这位用户喜欢的长尾比例，别的排得更靠前",
            "按这位用户喜欢的长尾比例，它排得更靠前",
            "按这位用户喜欢的长尾比例，后者排得更靠前",
        ),
        "exposure": Phrase(
            "长尾在前列的份额",
            "它占了留给长尾的名次",
            "它让位给长尾的物品",
            "它占了留给长尾的名次",
            "后者占了留给长尾的名次",
        ),
        "calibration": Phrase(
            "这位用户喜欢的搭配",
            "有了它，列表的搭配更接近这位用户的喜好",
            "有了别的，列表的搭配更接近这位用户的喜好",
            "有了它，列表的搭配更接近这位用户的喜好",
            "有了后者，列表的搭配更接近这位用户的喜好",
        ),
        "diversity": Phrase(
            "多样性",
            "它与排在前面的不同",
            "更与众不同的物品排到了它前面",
            "它与排在前面的更不相同",
            "后者与排在前面的更不相同",
        ),
        "similarity-ceiling": Phrase(
            "相似度上限",
            "过于相似的物品给它让了位",
            "它与排在前面的一件过于相似",
            "过于相似的物品给它让了位",
            "它与排在前面的一件过于相似",
        ),
        "cap": Phrase(
            "同类数量上限",
            "受限的同类物品给它让了位",
            "前面的同类物品已经够多",
            "受限的同类物品给它让了位",
            "前面的同类物品已经够多",
        ),
        "fair": Phrase(
            "群体下限",
            "所属群体的下限把它提前",
            "它让位给有下限的群体",
            "所属群体的下限把它提前",
            "它让位给有下限的群体",
        ),
        "rules": Phrase(
            "店铺的规则",
            "店铺的规则给它留了位置",
            "它让位给规则安排的物品",
            "店铺的规则给它留的位置更靠前",
            "它让位给规则安排的物品",
        ),
        "exploration": Phrase(
            "探索",
            "为了探索而把它提前",
            "为了探索而把别的提前",
            "为了探索而把它提前",
            "为了探索而把后者提前",
        ),
        "upstream": Phrase(
            "上游推荐器",
            "上游推荐器给它的分数高",
            "上游推荐器给它的分数低",
            "上游推荐器给它的分数更高",
            "上游推荐器给它的分数更低",
        ),
        "rank kept": Phrase(
            "保留不认识的物品的名次", *["模型不认识它"] * 2, *["不认识的物品保留原来的名次"] * 2
        ),
    },
    speaks_for="{topic}对它有利",
    speaks_against="{topic}对它不利",
    again="它以前被选过",
    first="它以前没有被选过",
    because="因为{reasons}",
    above="{item}排在{other}之前，因为{reasons}",
    nothing="没有什么使它与众不同",
    alike="{item}与{other}没有什么差别",
    joined="，而且",
    but="，但",
    without="如果没有{events}，{item}就不会进入前 {k} 名",
    comma="、",
    last="和",
    history="以往所选",
    labels={
        "heading": "这些物品为什么排在这里",
        "history": "用户的历史，最近的在前",
        "nothing": "没有模型认识的历史。",
        "score": "分数",
        "was": "原来",
        "mean": "列表均值",
        "moves": "打分之后的移动",
        "events": "每个历史事件的贡献",
        "event": "事件",
        "all": "合计",
        "removed": "从列表中移除",
        "sum": "分数是对数几率。列表均值对所有物品都相同，每一条表示物品在这一部分比列表平均多出或少了多少，"
        "它们与均值相加就是分数。",
    },
)

WORDINGS: Final[Mapping[Language, Wording]] = {"en": ENGLISH, "zh": CHINESE}
