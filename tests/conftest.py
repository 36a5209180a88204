"""Every test sees the same machine: two CPU devices, single precision, no warnings that nobody reads.

Most tests compile for seconds what runs for milliseconds, so the compiler is told not to try hard: that takes a third
off the time of all, and programs that run for long are as fast at level 1 (at level 0 they take twice as long). With
``XLA_FLAGS`` set, to nothing say, it does what it does for users.
"""

import gc
import itertools
import os
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ["MATTERLEARN_ALLOW"] = "fakes,scratch"  # kinds of the tests' own
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=1 --xla_llvm_disable_expensive_passes=true"
    + " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    * version("jaxlib").startswith(("0.9.", "0.10.")),  # a flag that XLA does not know ends the process
)

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)  # so that replicas are spread over devices on any machine
jax.devices()  # from here on nobody can change the number of devices


@pytest.fixture(autouse=True)
def precision_is_put_back():
    """A run sets its precision for the whole process; the next test starts in single precision again."""
    yield
    jax.config.update("jax_enable_x64", False)


MAPS = Path("/proc/self/maps")
MOST_MAPS = 30_000  # Linux allows a process 65 530, every compiled program takes some, and the compiler dies without
TURNS = itertools.count()  # of tests; to list 30 000 maps takes as long as many a test


@pytest.fixture(autouse=True)
def programs_are_forgotten():
    """Thousands of tests compile more programs than one process may map."""
    yield
    if next(TURNS) % 10 == 0 and MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()


def pytest_collection_finish():
    """What is there now stays; to look through all the rest takes a second, so that is done seldom."""
    gc.freeze()
    gc.set_threshold(700, 10, 1000)


@pytest.fixture
def x64():
    """Double precision within one test: arrays made in it are float64."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def undrawn():
    """Runs of this module write results and no figures, for which seconds would go by."""
    from matterlearn import report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "write", lambda directory: None)
        yield
