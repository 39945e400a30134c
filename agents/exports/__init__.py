"""What networks hand to their users: an export of everything, as a zip file or a folder; one file for each network."""

from typing import Final

from agents.exports import facebook, googleplus, instagram, twitter
from agents.exports.source import Export

EXPORTS: Final[dict[str, Export]] = {
    "facebook": facebook.read,
    "googleplus": googleplus.read,
    "instagram": instagram.read,
    "twitter": twitter.read,
}
