#!/bin/sh
# Make .venv and .venv-serving, or find that they are already as they should be.
#
#   infra/setup.sh         what the main job needs
#   infra/setup.sh test    and what the tests need
#   infra/setup.sh newest  the same, each package as new as pyproject.toml allows, from which `make locks` takes the versions
#   infra/setup.sh check   nothing is made; fails where they are not as they should be for the main job
#
# Where .venv-serving could not be made, or its making was cut short, the next call tries that again, and leaves .venv as it is.
# Of two at once in one checkout the second waits for the first.
# Takes the versions of infra/locks/setup.txt, which the tests have passed with; where one of them is not to be had (another
# platform, an index of one's own), what pyproject.toml allows, and says so.
# Installs with uv, where pip can fetch it, and with pip otherwise. uv does not read pip's own configuration, so what
# pip is told (an index, a folder of wheels, constraints, a proxy) is handed on to it.
set -eu
cd "$(dirname "$0")/.."
extra="${1:-}"
case "$extra" in
"" | test | newest | check) ;;
*) echo "setup: '$extra' is no extra; give nothing, test, newest, or check" >&2; exit 2 ;;
esac

find_python() { # 3.11 if there is one that can make an environment, else 3.12
    for version in 3.11 3.12; do
        for name in "python$version" python3; do
            if "$name" -c "import ensurepip, sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
                command -v "$name"
                return
            fi
        done
    done
    found="$(for name in python3.11 python3.12 python3; do
        said="$("$name" --version 2>/dev/null)" && printf '%s is %s, ' "$name" "$said"
    done || true)"
    echo "setup: Diptych needs Python 3.11 or 3.12 with venv; here ${found:-there is no python3, }and none of them will do. Install one (Debian: python3.11 and python3.11-venv) and run again." >&2
    return 1
}

environment() { # environment <folder>: a virtual environment that runs, made anew if it does not
    if ! "$1/bin/python" -c 'import pip, sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; then
        rm -rf "$1"
        "$python" -m venv "$1"
    fi
}

installers() { # uv if it can be had, and pip, which takes minutes instead of seconds
    if .venv/bin/python -m uv --version >/dev/null 2>&1 || .venv/bin/python -m pip install --quiet uv; then
        echo uv pip
    else
        echo pip
    fi
}

try() { # try <uv or pip> <folder> <constraints, or nothing> <arguments...>
    by="$1" in="$2" within="$3"
    shift 3
    case "$by" in
    # Compiled now, as pip does: where PYTHONDONTWRITEBYTECODE is set, as in many images, every process would compile
    # torch and all else again at each start, which takes more time than the imports themselves.
    uv) UV_CONSTRAINT="${UV_CONSTRAINT:-}${within:+ $within}" .venv/bin/python -m uv pip install --quiet --compile-bytecode --python "$in/bin/python" "$@" ;;
    pip) "$in/bin/python" -m pip install --quiet ${within:+--constraint "$within"} "$@" ;;
    esac
}

install() { # install <folder> <constraints, or nothing> <arguments...>
    folder="$1" bound="$2"
    shift 2
    for tool in $with; do
        try "$tool" "$folder" "$bound" "$@" && return
        echo "setup: $tool could not install${bound:+ the versions of infra/locks/setup.txt} (above says why)" >&2
    done
    [ -n "$bound" ] || return 1
    echo "setup: trying the newest that pyproject.toml allows" >&2
    install "$folder" "" "$@"
}

main_is_made() { # an environment that has the tests' packages too serves the main job as it is
    [ "$extra" != newest ] && [ -f .venv/.diptych ] && [ -x .venv/bin/diptych ] && .venv/bin/python -c '' 2>/dev/null || return 1
    made="$(cat .venv/.diptych)"
    [ "$made" = "test $files" ] || { [ "$extra" != test ] && [ "$made" = " $files" ]; }
}

serving_is_made() { # or cannot be, since Triton's wheel is for Linux alone, so that it is tried with .venv and not at each call
    [ "$(uname -s)" != Linux ] || { [ "$(cat .venv-serving/.diptych 2>/dev/null)" = "$files" ] && .venv-serving/bin/python -c '' 2>/dev/null; }
}

wait_for_others() { # be the one set-up of this checkout until this shell ends, whose descriptor 9 has the lock; Python takes it, since not every system has flock
    exec 9< .
    "$python" -c '
import fcntl, sys
try:
    try:
        fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("setup: another set-up of this checkout is under way; waiting for it", file=sys.stderr, flush=True)
        fcntl.flock(9, fcntl.LOCK_EX)
except OSError as err:
    print(f"setup: this file system gives no lock ({err}), so do not set up twice at once", file=sys.stderr)
'
}

files="$(cat pyproject.toml infra/locks/setup.txt infra/serving-requirements.txt infra/setup.sh infra/pip_to_uv.py | sha256sum)"
if [ "$extra" = check ]; then
    main_is_made && exit
    echo "setup: .venv is not there, or not as pyproject.toml asks for; run make setup" >&2
    exit 1
fi
if main_is_made && serving_is_made; then exit; fi

if main_is_made; then python=.venv/bin/python; else python="$(find_python)"; fi
wait_for_others
if ! main_is_made; then
    python="$(find_python)"
    echo "setup: installing into .venv and .venv-serving with $("$python" --version); this takes a minute or two" >&2
    rm -f .venv/.diptych
    environment .venv
    with="$(installers)"
    case "$with" in uv*) eval "$(.venv/bin/python infra/pip_to_uv.py)" ;; esac
    sed 's/ --hash=.*//' infra/locks/setup.txt > .venv/tested.txt
    case "$extra" in
    newest) install .venv "" --upgrade -e ".[test]" ;;
    *) install .venv .venv/tested.txt -e ".${extra:+[$extra]}" ;;
    esac
    # The tests' cyclonedx-bom brings it, and jsonschema, which Prefect imports, imports it where it is there: a second for each interpreter,
    # to know whether an IRI is one.
    case "$extra" in test | newest) .venv/bin/python -m pip uninstall -qq --yes rfc3987-syntax ;; esac
    .venv/bin/python -m compileall -qq components flows infra || true # ours too, for the reason that `try` has; what is edited later, or could not be written, is compiled as ever
    echo "$extra $files" > .venv/.diptych
elif serving_is_made; then # by whom we waited for
    exit
else
    echo "setup: .venv is as it should be; installing into .venv-serving, which is not there or was left half made" >&2
    with="$(installers)"
    case "$with" in uv*) eval "$(.venv/bin/python infra/pip_to_uv.py)" ;; esac
fi
# Triton runs where its wheel does; without it everything up to the registry works, and deploy says why it stops there.
rm -f .venv-serving/.diptych
if environment .venv-serving && install .venv-serving "" --no-deps -r infra/serving-requirements.txt; then
    echo "$files" > .venv-serving/.diptych
else
    echo "setup: the serving environment could not be installed (above says why); models will be registered, not served, until make setup can install it" >&2
    rm -rf .venv-serving
fi
