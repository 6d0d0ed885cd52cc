"""Chinese, simplified: a measure word before all that is said of the thing, places and relations behind what they refer to."""

from collections.abc import Sequence

from components.data.synthetic.grammars.grammar import Grammar, Said

_NOUNS = {
    "circle": "圆形",
    "square": "正方形",
    "triangle": "三角形",
    "star": "星形",
    "cross": "十字形",
    "ring": "圆环",
    "heart": "心形",
    "diamond": "菱形",
}
_ADJECTIVES = {
    "red": "红色",
    "orange": "橙色",
    "yellow": "黄色",
    "green": "绿色",
    "blue": "蓝色",
    "purple": "紫色",
    "brown": "棕色",
    "black": "黑色",
    "small": "小",
    "medium": "中等",
    "large": "大",
    "plain": "纯色",
    "striped": "条纹",
    "dotted": "圆点",
    "checked": "格子",
}
_PLACES = {
    "top left": "左上角",
    "top": "上方",
    "top right": "右上角",
    "left": "左侧",
    "centre": "中央",
    "right": "右侧",
    "bottom left": "左下角",
    "bottom": "下方",
    "bottom right": "右下角",
}
_SIDES = {"left of": "左边", "right of": "右边", "above": "上面", "below": "下面"}
_THAN = {"larger than": "大", "smaller than": "小"}


class Chinese(Grammar):
    """No articles, no agreement, no spaces; 的 behind sizes."""

    code = "zh"
    comma = "、"
    space = ""

    def word(self, shape: str) -> str:
        """See Grammar."""
        return _NOUNS[shape]

    def a(self, said: Said) -> str:
        """See Grammar."""
        return f"一个{_bare(said)}"

    def the(self, said: Said) -> str:
        """See Grammar."""
        return _bare(said)

    def related(self, one: Said, relation: str, other: Said) -> str:
        """See Grammar."""
        return _how(self.a(one), relation, self.a(other))

    def placed(self, said: Said, place: str) -> str:
        """See Grammar."""
        return f"{_PLACES[place]}的{self.a(said)}"

    def along(self, phrase: str, others: Sequence[Said]) -> str:
        """See Grammar."""
        return f"{phrase}，还有{self.also([self.a(other) for other in others], '和')}"

    def there_is(self, said: Said, place: str) -> str:
        """See Grammar."""
        return f"{_PLACES[place]}有{self.a(said)}。"

    def states(self, one: Said, relation: str, other: Said) -> str:
        """See Grammar."""
        return f"{_how(self.the(one), relation, self.the(other))}。"

    def attributes(self, said: Said) -> str:
        """See Grammar."""
        words = [f"{_ADJECTIVES[word]}的" for word in (said.size, said.colour, said.texture) if word]
        return f"{_NOUNS[said.shape]}是{self.also(words, '、')}。"


def _how(one: str, relation: str, other: str) -> str:
    return f"{one}比{other}{_THAN[relation]}" if relation in _THAN else f"{one}在{other}的{_SIDES[relation]}"


def _bare(said: Said) -> str:
    texture = None if said.texture == "plain" else said.texture
    size = f"{_ADJECTIVES[said.size]}的" if said.size else ""
    return size + "".join(_ADJECTIVES[word] for word in (said.colour, texture) if word) + _NOUNS[said.shape]
