"""What gpu-check builds and brings along, and the programs that it runs. Standard library only."""
import importlib.util
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from .steps import Unable, run

ROOT = Path(__file__).resolve().parents[2]
CARRY, BUILD = ROOT / "build/gpu-carry", ROOT / "build/gpu"
CARRY_BYTES_MAX = 64 << 20
SANITIZERS = ("memcheck", "racecheck", "initcheck", "synccheck")


class Missing(RuntimeError):
    """Something this machine lacks; the sentence says what to do."""


# ---------------------------------------------------------------- the GPU

def find_gpu():
    """{"name", "capability", "driver"} of the first GPU that this process may use, or None."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return None
    status, said = run(["nvidia-smi", "--query-gpu=name,compute_cap,driver_version",
                        "--format=csv,noheader"], timeout=60)
    if status == 127:
        return find_gpu_by_torch()
    found = re.match(r"^(?P<name>[^,\n]+), (?P<major>\d+)\.(?P<minor>\d+), (?P<driver>[\d.]+)", said)
    if status != 0 or not found:
        return None
    return {"name": found["name"].strip(), "driver": found["driver"],
            "capability": 10 * int(found["major"]) + int(found["minor"])}


def find_gpu_by_torch():
    """Where nvidia-smi is not on the path."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability(0)
    return {"name": torch.cuda.get_device_name(0), "driver": "unknown", "capability": 10 * major + minor}


def architectures(capability):
    """What CMake compiles for: this GPU's own instructions, and PTX."""
    own = f"{capability}a" if capability >= 90 else str(capability)
    return f"{own}-real;{capability}-virtual"


# ---------------------------------------------------------------- what a bare machine lacks

def loader_sources():
    """The sources of memseal that kernels/check builds where no other library is."""
    text = (ROOT / "kernels/check/CMakeLists.txt").read_text()
    names = re.search(r"foreach\(name ([\w\s]+)\)", text).group(1).split()
    folders = ("base", "pure/codec", "pure/text", "pure/text/internal")
    return [*(source for folder in folders for source in sorted((ROOT / "src" / folder).glob("*.cpp"))),
            *(ROOT / f"src/adapters/model/checkpoint/{name}.cpp" for name in names),
            ROOT / "kernels/check/model_directory.cpp"]


def boost_headers():
    """The Boost headers that those sources read: path below the include directory -> file."""
    probe = ROOT / "build/gpu-json.cpp"
    probe.parent.mkdir(exist_ok=True)
    probe.write_text("#include <boost/json/src.hpp>\n")
    includes = [f"-I{ROOT / folder}" for folder in
                ("src", "kernels", "kernels/include", "kernels/check")]
    status, said = run([os.environ.get("CXX", "g++"), "-std=c++20", "-M", '-DMEMSEAL_VERSION="x"',
                        *includes, "-isystem", ROOT / ".deps/prefix/include",
                        *loader_sources(), probe])
    probe.unlink()
    if status != 0:
        raise Missing(f"the Boost headers were not found: run scripts/deps --build\n{said[-2000:]}")
    found = {}
    for word in re.findall(r"(?:\\ |\S)+", said.replace("\\\n", " ")):
        word = word.replace("\\ ", " ")          # a path with a space
        below = re.search(r"(^|/)(boost/.*)$", word)
        if below and "include/boost/" in word:
            found[below.group(2)] = Path(word)
    return found


def pack():
    """Fills build/gpu-carry; returns its size in bytes."""
    for what in (Path("/usr/src/googletest"), vocabulary()):
        if not what.exists():
            raise Missing(f"{what} is missing: run scripts/deps --test")
    headers = boost_headers()
    shutil.rmtree(CARRY, ignore_errors=True)
    for below, file in headers.items():
        to = CARRY / "include" / below
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to)
    shutil.copytree("/usr/src/googletest", CARRY / "googletest",
                    ignore=shutil.ignore_patterns("test", "docs", "samples"))
    shutil.copyfile(vocabulary(), CARRY / "vocab.txt")
    size = sum(file.stat().st_size for file in CARRY.rglob("*") if file.is_file())
    if size > CARRY_BYTES_MAX:
        raise Missing(f"build/gpu-carry has {size} bytes, above {CARRY_BYTES_MAX}: carry less")
    return size


def is_packed():
    return all((CARRY / name).exists() for name in ("include/boost", "googletest", "vocab.txt"))


def vocabulary():
    carried = CARRY / "vocab.txt"
    return carried if carried.exists() else ROOT / ".deps/models/all-MiniLM-L6-v2/vocab.txt"


# ---------------------------------------------------------------- build, tests, sanitizers

def cublas_settings():
    """CMake settings that name PyTorch's cuBLAS, for a toolkit without cuBLAS."""
    nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    toolkit = Path(nvcc).resolve().parent.parent
    if any(toolkit.glob("lib64/libcublasLt.so*")) or any(toolkit.glob("targets/*/lib/libcublasLt.so*")):
        return []
    spec = importlib.util.find_spec("nvidia")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for library in sorted(Path(folder).glob("cu*/lib/libcublasLt.so.*")):
            include = library.parent.parent / "include"
            return [f"-DCUDA_cublasLt_LIBRARY={library}", f"-DCMAKE_CUDA_FLAGS=-I{include}"]
    return []


CONFIGURE_S, BUILD_S = 60, 240


def library():
    """Where the library is: build() or the caller's environment says it."""
    return Path(os.environ["MEMSEAL_GPU_CHECK_LIBRARY"])


def program():
    return Path(os.environ["MEMSEAL_KERNELS_TEST"])


def build(capability=None, settings=(), targets=("kernels_test", "memseal_gpu_check")):
    """Builds for a GPU, or without CUDA; returns where the programs are."""
    if not is_packed():
        pack()
    folder = BUILD if capability else ROOT / "build/gpu-host"
    configure = ["cmake", "-S", ROOT / "kernels/check", "-B", folder, f"-DMEMSEAL_CARRY={CARRY}",
                 # GoogleTest 1.12 asks for a CMake older than the newest ones still know.
                 "-DCMAKE_POLICY_VERSION_MINIMUM=3.5",
                 f"-DMEMSEAL_CUDA={'ON' if capability else 'OFF'}", *settings]
    if capability:
        configure += [f"-DMEMSEAL_CUDA_ARCHITECTURES={architectures(capability)}", *cublas_settings()]
    if shutil.which("ninja"):
        configure += ["-G", "Ninja"]
    for words, seconds in ((configure, CONFIGURE_S),
                           (["cmake", "--build", folder, "--target", *targets, "-j", os.cpu_count()], BUILD_S)):
        status, said = run(words, timeout=seconds)
        if status != 0:
            raise RuntimeError(f"{' '.join(map(str, words[:3]))}… failed:\n{said[-6000:]}")
    return folder


def use(folder):
    """Makes library() and program() those that were built there."""
    os.environ["MEMSEAL_GPU_CHECK_LIBRARY"] = str(folder / "libmemseal_gpu_check.so")
    os.environ["MEMSEAL_KERNELS_TEST"] = str(folder / "kernels_test")


def gtest(words, report, timeout, env=None):
    """Runs a GoogleTest program: (exit status, tests that ran, names of those that failed, output)."""
    report.unlink(missing_ok=True)
    status, said = run([*words, f"--gtest_output=json:{report}"], timeout, env)
    ran, failed = 0, []
    if report.exists():
        for suite in json.loads(report.read_text())["testsuites"]:
            for case in suite["testsuite"]:
                ran += case.get("result") == "COMPLETED"
                if case.get("failures"):
                    failed.append(f"{suite['name']}.{case['name']}")
    return status, ran, failed, said


GPU_TESTS, ON_THE_GPU = {"MEMSEAL_GPU_TESTS": "1"}, "*/gpu_cuda*"


def kernel_tests(evidence, gates, seconds, tests=ON_THE_GPU, env=GPU_TESTS):
    """Every kernel against its twin, on the GPU."""
    status, ran, failed, said = gtest([program(), f"--gtest_filter={tests}"],
                                      evidence.folder / "kernels_test.json", seconds, env)
    if status != 0:
        evidence.keep("programs.log", said)
    gates.check("kernels against their twins", status == 0 and ran > 0 and not failed,
                f"{ran} tests ran" + (f", failed: {' '.join(failed)}" if failed else "") +
                ("" if status == 0 else f", exit status {status}"))


# Whatever calls cuBLAS, whose kernels are not ours to judge: memcheck alone looks at it.
WITH_PRODUCTS = "*Product*:*Forward*"


def sanitize(evidence, gates, name, seconds):
    """One of compute-sanitizer's tools over the GPU tests, and over our kernels alone."""
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not Path(tool).exists():
        raise Unable("compute-sanitizer is not installed here")
    started = time.monotonic()
    tests = ON_THE_GPU if name == "memcheck" else f"{ON_THE_GPU}-{WITH_PRODUCTS}"
    status, ran, failed, said = gtest(
        [tool, "--tool", name, "--kernel-name", "kernel_substring=memseal", "--error-exitcode", "99", program(),
         f"--gtest_filter={tests}"], evidence.folder / f"{name}.json", seconds, GPU_TESTS)
    evidence.keep("programs.log", f"compute-sanitizer {name}\n{said}\n")
    if "Device not supported" in said:
        raise Unable("compute-sanitizer refuses this device")
    if status == 124:
        raise Unable(f"it did not end within {seconds:.0f} s; {ran} tests had ended")
    summary = re.findall(r"=+ ((?:ERROR|RACECHECK) SUMMARY: .*)", said)
    gates.check(f"compute-sanitizer {name}", status == 0 and ran > 0 and not failed,
                f"{ran} tests in {time.monotonic() - started:.0f} s; "
                f"{'; '.join(summary) or f'exit status {status}'}")
