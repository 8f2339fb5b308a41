"""What stands for the texts of the kernels is theirs."""

from __future__ import annotations

import hashlib
from itertools import combinations

import pytest

from extism._runtime.kernel_source import DIGESTS, PARTS, kernel_text

KERNELS = [parts for count in range(len(PARTS) + 1) for parts in combinations(PARTS, count)]


@pytest.mark.parametrize("parts", KERNELS, ids=lambda parts: "+".join(parts) or "alone")
def test_native_code_is_found_by_the_kernel_that_is_in_it(parts):
    """A kernel whose text was changed has another digest: else code with the old one in it would be found."""
    found = hashlib.sha256(kernel_text(parts).encode()).hexdigest()[:16]

    assert DIGESTS[parts] == found, f"write into DIGESTS: {parts}: {found!r}"
