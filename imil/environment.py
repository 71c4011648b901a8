"""What of the environment the app passes on to processes that it starts."""

from __future__ import annotations

from collections.abc import Mapping

# What a process that trains or reads files may know: where programs and libraries are, the
# language, and how many threads to use. A variable that is not on this list stays in the app.
_CHILD_NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_CACHE_HOME"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"),
    }
)
_CHILD_PREFIXES = (
    *("LC_", "PYTHON", "MALLOC_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "NUMEXPR_"),
    *("ONEDNN_", "DNNL_", "TORCH", "PYTORCH", "TRITON", "CUDA", "CUBLAS", "CUDNN", "NVIDIA"),
    *("NCCL_", "HIP_", "HSA_", "ROCR_", "MIOPEN_"),
)
# The way to the Hub besides.
_NETWORK_NAMES = frozenset(
    {
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "HF_ENDPOINT"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    }
)
_NETWORK_PREFIXES = ("HF_HUB_", "HF_DATASETS_")
# In whatever list: never of a name with one of these.
_SECRET = ("TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


def child_environment(env: Mapping[str, str], *, network: bool = False) -> dict[str, str]:
    """Return what of an environment a process that the app starts is given: no token, no secret.

    Args:
        env: of the app.
        network: whether the process reads from the Hub.
    """
    names = _CHILD_NAMES | (_NETWORK_NAMES if network else set())
    prefixes = _CHILD_PREFIXES + (_NETWORK_PREFIXES if network else ())

    def given(name: str) -> bool:
        upper = name.upper()
        return (upper in names or upper.startswith(prefixes)) and not any(
            word in upper for word in _SECRET
        )

    return {name: value for name, value in env.items() if given(name)}
