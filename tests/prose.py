"""How our prose sounded before it used the standard terms of the field: patterns of it."""

import re

OLD_WORDS = (
    r"\b(?:in|its|each|every|one|own|of|a|the|at each|last) turns?\b(?! (?:on|off|into))",
    r"\b(?:looks?|looked|looking) (?:at|after)\b",
    r"\bsp(?:eak|eaks|oke|oken)\b(?! language)",
    r"\b(?:is|are|was|were|been|be|not|hears?|un)\s*heard\b",
    r"\bhear(?:s|ing)?\b",
    r"\bgather(?:s|ed|ing)?\b",
    r"\bjudg(?:e|es|ed|ing)\b",
    r"\bcarr(?:y|ies|ied|ying) out\b",
    r"\bsettl(?:e|es|ed|ing)\b",
    r"\broster\b|\broll call\b",
    r"\bwish(?:es|ed)?\b",
    r"\bpatience\b",
    r"\bupkeep\b|\bkeeper\b",
    r"\bworkrooms?\b",
    r"\b(?:in a )?hurry\b",
    r"\b(?:nobody|somebody|anybody|everybody)\b",
    r"\bvouch(?:es)?\b",
    r"\bif not told\b|\bwhen not (?:told|given)\b|\b(?:is|are) told\b(?! (?:to|so)\b)",
    r"(?<!there )\b(?:is|are) no (?!longer\b|more than\b)",
    r"\bwhether it was so\b",
    r"\bof one's own\b|\bmay heal\b|\bfor ever\b",
)
"""Each pattern names a word in the ways in which we used it. Ordinary uses stay: "in turn" of a
list, "looks for", "told to", a spoken language."""


def old_words(text: str) -> set[str]:
    flat = " ".join(text.split())
    return {
        flat[max(0, found.start() - 30) : found.end() + 30]
        for pattern in OLD_WORDS
        for found in re.finditer(pattern, flat, re.IGNORECASE)
    }
