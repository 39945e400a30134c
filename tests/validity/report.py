"""The report: a table for the terminal, a bar chart for each measure as SVG, and JSON for programs."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tests.validity.higgs import Cutoff, Measured

MEASURE_NAMES: Final = {"spearman": "Spearman", "ndcg100": "NDCG@100", "top100": "overlap of the top 100"}


def as_json(cutoffs: Sequence[Cutoff]) -> list[dict[str, Any]]:
    """Return an entry of build/validity.json for each cut-off."""
    return [
        {
            "cutoff_days": cutoff.days,
            "users": cutoff.users,
            "rankers": cutoff.rankers,
            "everyone": cutoff.everyone,
            "lead": {
                measure: {"over": best, "low": low, "high": high} for measure, (best, low, high) in cutoff.lead.items()
            },
        }
        for cutoff in cutoffs
    ]


def table(cutoffs: Sequence[Cutoff]) -> str:
    """Return the tables: every ranker and measure, first for users with enough engagers, then for everyone."""
    lines = _table("Users with 3 engagers or more", cutoffs, [cutoff.rankers for cutoff in cutoffs])
    lines += ["", *_table("All users engaged with before", cutoffs, [cutoff.everyone for cutoff in cutoffs])]
    lines += ["", "Lead of clout over the best baseline, 95 % interval of a paired bootstrap over users"]
    for cutoff in cutoffs:
        leads = (
            f"{MEASURE_NAMES[measure]} over {best} {low:+.3f} .. {high:+.3f}"
            for measure, (best, low, high) in cutoff.lead.items()
        )
        lines.append(f"  {cutoff.days:g} days, {cutoff.users:,} users: {'; '.join(leads)}")
    return "\n".join(lines)


def verdict(cutoffs: Sequence[Cutoff]) -> str:
    """Return a line for each of the two measures: the means, and the worst distance from a cut-off's best baseline."""
    lines = []
    for measure in ("spearman", "ndcg100"):
        rows = {name: [cutoff.rankers[name][measure] for cutoff in cutoffs] for name in cutoffs[0].rankers}
        ours = np.array(rows.pop("clout"))
        best = max(rows, key=lambda name: np.mean(rows[name]))
        worst = (ours - np.max(list(rows.values()), axis=0)).min()
        lines.append(
            f"{MEASURE_NAMES[measure]}: mean {ours.mean():.4f}, best baseline {best} {np.mean(rows[best]):.4f}, "
            f"least lead at a cut-off {worst:+.4f}"
        )
    return "\n".join(lines)


def chart(cutoffs: Sequence[Cutoff], measure: str) -> str:
    """Return an SVG with a group of bars for each cut-off, the score's in colour."""
    names = list(cutoffs[0].rankers)
    bar, gap, height = 16, 30, 220
    group = bar * len(names) + gap
    width = group * len(cutoffs) + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + 120}" font-family="sans-serif">',
        f'<rect width="100%" height="100%" fill="white"/><text x="10" y="20">{MEASURE_NAMES[measure]}</text>',
    ]
    for place, cutoff in enumerate(cutoffs):
        left = 40 + place * group
        parts.append(f'<text x="{left}" y="{height + 110}" font-size="12">{cutoff.days:g} days</text>')
        for index, name in enumerate(names):
            value = max(0.0, cutoff.rankers[name][measure])
            x, tall = left + index * bar, value * (height - 40)
            label = f"{name} {value:.3f}"
            colour = "#d9480f" if name == "clout" else "#868e96"
            parts.append(
                f'<rect x="{x}" y="{height - tall:.1f}" width="{bar - 3}" height="{tall:.1f}" fill="{colour}">'
                f"<title>{label}</title></rect>"
                f'<text transform="translate({x + 10},{height + 5}) rotate(90)" font-size="10">{label}</text>'
            )
    return "\n".join([*parts, "</svg>", ""])


def _table(title: str, cutoffs: Sequence[Cutoff], measured: Sequence[Measured]) -> list[str]:
    lines = [f"{title}; each cell Spearman / NDCG@100 / overlap of the top 100"]
    lines.append(" " * 12 + "".join(f"{f'{cutoff.days:g} days':>24}" for cutoff in cutoffs) + f"{'mean':>24}")
    for name in measured[0]:
        rows = [list(rankers[name].values()) for rankers in measured]
        rows.append(list(np.mean(rows, axis=0)))
        cells = (" / ".join(f"{value:.3f}" for value in row) for row in rows)
        lines.append(f"{name:<12}" + "".join(f"{cell:>24}" for cell in cells))
    return lines
