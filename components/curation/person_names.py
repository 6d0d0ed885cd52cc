"""Names of persons in a text: those of a list, or Chinese ones that a form of address follows.

A surname with one or two characters and a form of address behind it is taken for a name: `张伟先生`, `欧阳娜娜女士`. It errs where
such a surname ends or begins another word (`高级教授`), and finds no name that stands without a form of address; a list finds these.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from components.contracts.errors import ConfigError
from components.contracts.text_pick import Place

_TWO = "欧阳|司马|诸葛|上官|司徒|东方|夏侯|皇甫|尉迟|公孙|慕容|令狐|端木|百里|南宫"
_ONE = (
    "王李张刘陈杨赵黄周吴徐孙胡朱林何郭罗梁宋郑谢韩唐冯董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田姜范姚谭廖邹熊陆郝孔崔邱秦"
    "江史顾侯邵孟龙段雷钱汤尹黎武贺赖龚樊兰殷施陶洪翟颜倪严牛温芦季俞章鲁葛伍韦毕聂丛焦向柳邢路岳齐沿梅莫庄辛管祝左涂谷祁耿詹"
)
_ADDRESS = (
    "先生|女士|小姐|太太|夫人|老师|教授|博士|院士|医生|大夫|律师|法官|警官|导演|主席|总统|总理|部长|省长|市长|县长|书记|主任|校长|院长|"
    "经理|董事长|总裁|同学|同志|师傅|教练"
)
_TITLED = re.compile(rf"(?:{_TWO}|[{_ONE}])[\u4e00-\u9fff]{{1,2}}?(?={_ADDRESS})")

_LATIN = "[A-Za-z\u00c0-\u024f]"


class NameDetector(ABC):
    """Base of what finds the names of persons."""

    @abstractmethod
    def find(self, text: str) -> list[Place]:
        """Return where names stand, in their order, without overlaps."""


class ListedNames(NameDetector):
    """Finds the names of a list, of two that begin in one place the longer.

    Args:
        names: as they are written. ConfigError for none, and for an empty one.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if isinstance(names, str) or not names or not all(name.strip() for name in names):
            raise ConfigError(f"names is {names!r}. Give a list of one or more, none of them empty.")
        self.names = tuple(names)
        longest_first = sorted(set(names), key=lambda name: (-len(name), name))
        self._pattern = re.compile("|".join(map(_bounded, longest_first)))

    def find(self, text: str) -> list[Place]:
        """Return the places of the listed names."""
        return [one.span() for one in self._pattern.finditer(text)]


class TitledNames(NameDetector):
    """Finds Chinese names before a form of address, which itself stays."""

    def find(self, text: str) -> list[Place]:
        """Return the places of the names alone."""
        return [one.span() for one in _TITLED.finditer(text)]


def _bounded(name: str) -> str:
    """Return the pattern of a name; one that begins or ends in Latin letters is no part of a longer word there."""
    before = rf"(?<!{_LATIN})" if re.match(_LATIN, name[0]) else ""
    after = rf"(?!{_LATIN})" if re.match(_LATIN, name[-1]) else ""
    return f"{before}{re.escape(name)}{after}"
