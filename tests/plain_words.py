"""Words that texts for users avoid, because a newcomer would have to guess what they mean."""

import re

AVOIDED = re.compile(
    r"""\b(
        nobody | somebody | if\ not\ told | says\ otherwise | vouch\w* | heals?
        | whether\ it\ was\ so
        | (?<!in\ )turns? | looks? | hear | heard | hears | hearing | speaks? | tells? | told
        | gather\w* | judg(e|es|ed|ing) | carr(y|ies|ied|ying) | settl(e|es|ed|ing)
        | roster | roll\ call | wish(es)? | patien(t|ce) | patiently | upkeep | keepers? | abandoned
        | workroom | hurry | is\ no(?!\ longer) | is\ away | stays\ away | goes?\ on | begins?\ by
        | takes?\ up | in\ truth | what\ there\ is | becomes?\ of | of\ one's\ own
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)


def avoided(text: str) -> list[str]:
    """The avoided words of a text."""
    return [found.group() for found in AVOIDED.finditer(text)]
