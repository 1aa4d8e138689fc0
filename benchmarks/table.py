"""The README's table of speed, in Markdown, from the file that benchmarks.compare wrote.

python -m benchmarks.table PATH
"""

import argparse
import json

from benchmarks.command import markdown

TORCH = ("torch", "torch_tuned")
HEAD = (
    "case",
    "scratchnet, ms",
    "PyTorch, ms",
    "PyTorch tuned, ms",
    "JAX, ms",
    "Keras, ms",
    "PyTorch / ours",
    "tuned / ours",
    "tokens/s",
    "of sgemm",
    "peak MB, ours",
    "peak MB, PyTorch",
)


def digits(value):
    """Three significant digits, without an exponent; nothing for None."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1e-3 else f"{value:.4f}"


def format_table(rows):
    """Markdown of the rows, and one line below on what they were measured with.

    Parameters
    ----------
    rows : list of dicts, see benchmarks.compare.main
    """
    lines = markdown(HEAD, map(cells_of, rows))
    if rows and "machine" in rows[0]:
        first = rows[0]
        lines += [
            "",
            f"{', '.join(first['versions'].values())}; {first['threads']} threads each, medians of "
            f"{first['rounds']} rounds in turns; {first['machine']}; "
            f"sgemm {first['sgemm_gflops']:.0f} GFLOP/s ({first['sgemm_by']}).",
        ]
    return "\n".join(lines)


def cells_of(row):
    """The cells of one row."""
    share = row["sgemm_share"]
    return [
        row["case"] + (", per token" if row.get("per") == "token" else ""),
        *(digits(row[f"{side}_ms"]) for side in ("ours", *TORCH, "jax", "keras")),
        *("" if row[f"ratio_{side}"] is None else f"{row[f'ratio_{side}']:.2f}" for side in TORCH),
        "" if row.get("tokens_per_s") is None else f"{row['tokens_per_s']:,.0f}",
        "" if share is None else f"{share:.0%}",
        *(digits(row[f"peak_mb_{side}"]) for side in ("ours", "torch")),
    ]


def main(argv=None):
    """Print the table of a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__.splitlines()[0])
    parser.add_argument(
        "path", metavar="PATH", help="file written by python -m benchmarks.compare --json PATH"
    )
    with open(parser.parse_args(argv).path, encoding="utf-8") as file:
        print(format_table(json.load(file)))


if __name__ == "__main__":
    main()
