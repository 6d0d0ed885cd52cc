"""Words that say little by themselves, and words that may stand for each other. English, and few: what is in no list stays.

The lists are ours. What says where something is or how much of it there is (above, left, no, not, all, two) is no stop word here, as it is in
lists made for search: captions differ in it. No word is in two groups, and no group joins what a grammar or a set of names here tells apart.
"""

_LITTLE = """
    a an the this that these those
    i me my we us our you your he him his she her it its they them their who whom whose which what
    am is are was were be been being has have had having do does did doing will would shall should can could may might must
    and or but if as because while so of at by for with about to from into during such there here then when
    just very too also some any other own same
"""  # articles; pronouns; auxiliaries; what joins more than it says; small words
STOP_WORDS = frozenset(_LITTLE.split())

GROUPS = (
    # sizes and looks
    ("large", "big"),
    ("small", "little"),
    ("tiny", "minute"),
    ("huge", "enormous", "gigantic"),
    ("pretty", "beautiful", "lovely"),
    ("old", "aged"),
    ("quick", "fast"),
    ("shiny", "glossy"),
    ("wet", "damp"),
    ("bright", "vivid"),
    ("striped", "stripy"),
    ("dotted", "spotted"),
    ("checked", "chequered"),
    ("plain", "unpatterned"),
    ("quiet", "calm"),
    ("broken", "damaged"),
    # shapes and colours that have two names
    ("circle", "disc"),
    ("diamond", "rhombus"),
    ("purple", "violet"),
    ("grey", "gray"),
    # pictures and what is in them
    ("picture", "image"),
    ("photo", "photograph"),
    ("painting", "canvas"),
    ("background", "backdrop"),
    ("centre", "center", "middle"),
    ("below", "underneath"),
    ("beside", "alongside"),
    ("view", "sight"),
    # people
    ("man", "guy"),
    ("woman", "lady"),
    ("child", "kid"),
    ("baby", "infant"),
    ("people", "persons"),
    ("doctor", "physician"),
    ("smiling", "beaming"),
    ("crying", "weeping"),
    ("tired", "weary"),
    ("angry", "furious"),
    ("happy", "glad"),
    ("sad", "unhappy"),
    ("holding", "gripping"),
    ("sitting", "seated"),
    ("running", "sprinting"),
    ("looking", "gazing"),
    # things
    ("car", "automobile"),
    ("bike", "bicycle"),
    ("plane", "airplane"),
    ("ship", "vessel"),
    ("road", "street"),
    ("house", "home"),
    ("shop", "store"),
    ("sofa", "couch"),
    ("cup", "mug"),
    ("stone", "rock"),
    ("hat", "cap"),
    ("shirt", "top"),
    ("present", "gift"),
    ("trash", "rubbish"),
    ("phone", "telephone"),
    ("autumn", "fall"),
    ("forest", "woods"),
    ("ocean", "sea"),
    ("hill", "mound"),
    ("rabbit", "bunny"),
    ("dog", "hound"),
    ("chick", "hatchling"),
)

SYNONYMS = {word: tuple(other for other in group if other != word) for group in GROUPS for word in group}
