"""Language codes as Wikipedia uses them: ISO 639-1, codes of three letters, and either with a script or a region behind it."""

import re

_TWO = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo "
    "fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu iw ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb "
    "lg li ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc "
    "sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
_CODE = re.compile(r"([a-z]{2,3})((?:-[A-Za-z0-9]{2,8})*)")


def is_language(code: str) -> bool:
    """Return whether a code can be that of a Wikipedia: `en`, `arz`, `zh-TW`, `sr-Latn`, `be-tarask`. Codes of three letters are not looked up."""
    found = _CODE.fullmatch(code)
    return found is not None and (len(found[1]) == 3 or found[1] in _TWO.split())
