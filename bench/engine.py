"""The engine: CPU time to verify and to sign, against libopendkim and dkimpy."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial

from bench import timing
from bench.contenders import Contender, Dkimpy, Keys, LibOpenDkim, Ours
from bench.messages import make_message
from bench.opendkim import OpenDkim, build
from bench.report import Section, Target, duration, size

SIZES = (4 << 10, 50 << 10, 5 << 20)
CANONICALIZATIONS = ("relaxed", "simple")
VERIFY_LIMITS = {4 << 10: 0.7, 50 << 10: 0.5, 5 << 20: 0.5}
SIGN_LIMITS = {4 << 10: 0.5}
DKIMPY_FACTOR = 6.0


def measure(rounds: int, sizes: Sequence[int] = SIZES) -> Section:
    """All sizes, both canonicalisations, both acts."""
    section = Section(
        "Engine: CPU time of one message",
        "RSA-2048, one core, keys from memory; medians of interleaved rounds, ratios within a round",
        ("", "libopendkim", "dkimpy", "exim-dkim", "/ libopendkim", "dkimpy /"),
    )
    keys = Keys()
    with OpenDkim(build()) as worker:
        ours = Ours(keys)
        contenders: tuple[Contender, ...] = (LibOpenDkim(keys, worker), Dkimpy(keys), ours)
        for octets in sizes:
            message = make_message(octets)
            for canonicalization in CANONICALIZATIONS:
                signed = ours.sign_once(message, canonicalization) + message
                runs = {contender.name: partial(contender.verify, signed) for contender in contenders}
                _add(section, "verify", octets, canonicalization, timing.interleave(runs, rounds))
                runs = {contender.name: partial(contender.sign, message, canonicalization) for contender in contenders}
                _add(section, "sign", octets, canonicalization, timing.interleave(runs, rounds))
    return section


def _add(section: Section, act: str, octets: int, canonicalization: str, times: dict[str, list[float]]) -> None:
    to_libopendkim = timing.ratio(times["exim-dkim"], times["libopendkim"])
    to_dkimpy = timing.ratio(times["dkimpy"], times["exim-dkim"])
    medians = {name: statistics.median(values) for name, values in times.items()}
    name = f"{act} {size(octets)} {canonicalization}/{canonicalization}"
    section.rows.append(
        (name, *map(duration, medians.values()), f"{to_libopendkim:.2f}", f"{to_dkimpy:.1f}"),
    )
    section.values.append(
        {
            "act": act,
            "octets": octets,
            "canonicalization": canonicalization,
            "seconds": medians,
            "to_libopendkim": to_libopendkim,
            "dkimpy_to_ours": to_dkimpy,
        }
    )
    limit = (VERIFY_LIMITS if act == "verify" else SIGN_LIMITS).get(octets)
    if limit is not None:
        section.targets.append(Target(f"{name}, of libopendkim", to_libopendkim, limit))
    if act == "verify":
        section.targets.append(Target(f"{name}, dkimpy to ours", to_dkimpy, DKIMPY_FACTOR, at_least=True))
