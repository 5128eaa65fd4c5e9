"""The native scanner and kernels, which are optional; everything else is in setup.cfg."""

from setuptools import Extension, setup


def extension(folder: str, name: str, *sources: str) -> Extension:
    """A module in C. Without a compiler the columnar library does everything."""
    return Extension(
        f"{folder.replace('/', '.')}.{name}",
        [f"{folder}/{source}.c" for source in sources],
        depends=[f"{folder}/{source}.h" for source in sources[1:]],
        extra_compile_args=["-O3", "-std=c11"],
        py_limited_api=True,
        optional=True,
    )


setup(
    ext_modules=[
        extension("coffeeshop/reading/native", "_scan", "module", "scan"),
        extension("coffeeshop/kernels", "_fold", "module", "fold"),
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
