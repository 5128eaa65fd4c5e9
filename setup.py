"""The native scanner, which is optional; everything else is in setup.cfg."""

from setuptools import Extension, setup

SOURCES = "coffeeshop/reading/native"

setup(
    ext_modules=[
        Extension(
            "coffeeshop.reading.native._scan",
            [f"{SOURCES}/module.c", f"{SOURCES}/scan.c"],
            depends=[f"{SOURCES}/scan.h"],
            extra_compile_args=["-O3", "-std=c11"],
            py_limited_api=True,
            optional=True,  # without a C compiler the columnar parser reads everything
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
