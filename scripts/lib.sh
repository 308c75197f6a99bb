# shellcheck shell=bash
# What scripts/demo, scripts/test and .ci/run share: finding gdb and a Python, installing what is
# missing, the project's virtual environment, the demo service, and why attaching may fail.
# To be sourced, with `program` set to the name that messages begin with.
# shellcheck disable=SC2034,SC2154  # what is set here is used there, and the other way round

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
venv=$root/.venv

# The oldest Python 3 minor version that runs the package inside gdb, and the tests outside of it.
OLDEST_OWN_PYTHON=9
# Seconds for the demo service to come to its deadlock. It takes 0.1; a cold disk is slower.
SERVICE_DEADLINE=60

# Filled by the functions below, for whoever sources this.
gdb=            # a gdb whose Python is new enough
gdb_version=
gdb_python=     # "3.11"
python=         # an interpreter
service=        # pid of the demo service
scratch=        # a temporary folder

# Silent where nobody reads on, as when piped into head.
say() {
    printf '%s\n' "$@" 2>/dev/null
}

# The reason on the first line, the remedy on those below.
die() {
    printf '%s: %s\n' "$program" "$1" >&2
    shift
    (($# == 0)) || printf '  %s\n' "$@" >&2
    exit 1
}

clean_up() {
    [[ -z $service ]] || end_service
    [[ -z $scratch ]] || rm -rf "$scratch"
    scratch=
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

need_linux() {
    [[ $(uname -s) == Linux ]] || die "this is $(uname -s), and gdbext reads processes of Linux"
}

# --- packages -----------------------------------------------------------------------------------------

package_manager() {
    local each
    for each in apt-get dnf yum zypper pacman apk; do
        if type -P "$each" >/dev/null; then
            echo "$each"
            return
        fi
    done
}

# The packages that bring a tool, as the machine's distribution calls them.
packages_of() {
    case $(package_manager):$1 in
        *:gdb | *:debootstrap | *:graphviz) echo "$1" ;;
        apt-get:compiler) echo gcc libc6-dev binutils ;;
        pacman:compiler) echo gcc glibc binutils ;;
        apk:compiler) echo gcc musl-dev binutils ;;
        *:compiler) echo gcc glibc-devel binutils ;;
        apt-get:python) echo python3 python3-venv ;;
        pacman:python) echo python ;;
        *:python) echo python3 ;;
    esac
}

# How a person installs a tool here.
how_to_install() {
    case $(package_manager) in
        pacman) echo "pacman -S $(packages_of "$1")" ;;
        apk) echo "apk add $(packages_of "$1")" ;;
        '') echo "the system's packages ($(packages_of "$1"))" ;;
        *) echo "$(package_manager) install $(packages_of "$1")" ;;
    esac
}

# Install a tool on the system, having said so and, on a terminal, having asked.
# Fails where that is not possible or not wanted.
install() {
    local tool=$1 reason=$2
    local -a packages sudo=()
    [[ $(package_manager) == apt-get ]] || return 1
    read -r -a packages <<<"$(packages_of "$tool")"
    if ((EUID != 0)); then
        type -P sudo >/dev/null || return 1
        sudo=(sudo)
        [[ -t 0 ]] || sudo+=(--non-interactive)
    fi
    local -a apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
    say "$program: $reason. This installs it on the system:" \
        "    ${sudo[*]}${sudo[*]:+ }apt-get update" \
        "    ${sudo[*]}${sudo[*]:+ }apt-get install --no-install-recommends ${packages[*]}"
    if [[ -t 0 && -z ${CI:-} ]]; then
        local answer
        read -r -p 'Go on? [y/N] ' answer || return 1
        [[ $answer == [yY]* ]] || return 1
    fi
    # An update that fails for one source of several is no reason not to try.
    "${apt[@]}" update || true
    "${apt[@]}" install --yes --no-install-recommends "${packages[@]}" || return 1
    hash -r
}

# --- gdb ----------------------------------------------------------------------------------------------

# Run gdb with nothing in the environment that changes its Python or makes it fetch debug files.
run_gdb() {
    env -u PYTHONHOME -u PYTHONPATH -u DEBUGINFOD_URLS PYTHONDONTWRITEBYTECODE=1 \
        "$gdb" -nx -batch "$@" </dev/null
}

# Whether $gdb serves; else `gdb_problem` says why not.
gdb_serves() {
    local answer question='python import sys; print(gdb.VERSION, "%d.%d" % sys.version_info[:2])'
    answer=$(run_gdb -ex "$question" 2>/dev/null) || true
    if [[ ! $answer =~ ^([^ ]+)\ 3\.([0-9]+)$ ]]; then
        gdb_problem="$gdb has no Python"
        return 1
    fi
    gdb_version=${BASH_REMATCH[1]}
    gdb_python=3.${BASH_REMATCH[2]}
    if ((BASH_REMATCH[2] < OLDEST_OWN_PYTHON)); then
        gdb_problem="the Python of $gdb is $gdb_python, and gdbext needs 3.$OLDEST_OWN_PYTHON or newer"
        return 1
    fi
}

# Set `gdb` to the first one that serves: $GDB if that is set, else of those on PATH.
find_gdb() {
    local paths
    gdb_problem=${GDB:+GDB names $GDB, and that can\'t be run}
    gdb_problem=${gdb_problem:-no gdb on PATH}
    paths=$(type -aP "${GDB:-gdb}") || return 1
    while read -r gdb; do
        gdb_serves && return
    done <<<"$paths"
    gdb=
    return 1
}

need_gdb() {
    local first_problem
    find_gdb && return
    first_problem=$gdb_problem
    # Who names one in GDB wants that one.
    if [[ -z ${GDB:-} ]] && install gdb "$gdb_problem" && find_gdb; then
        return
    fi
    case $first_problem in
        *' has no Python')
            die "$first_problem" "Install a gdb built with Python: $(how_to_install gdb)" \
                "or name one: GDB=/path/to/gdb $program" ;;
        'the Python of '*)
            die "$first_problem" "Install a newer gdb, or name one: GDB=/path/to/gdb $program" ;;
        *)
            die "$first_problem" "Install one: $(how_to_install gdb)" \
                "or name one: GDB=/path/to/gdb $program" ;;
    esac
}

# --- Python -------------------------------------------------------------------------------------------

# Files that may be interpreters, likely ones first: PATH's, pyenv's, /opt's.
list_pythons() {
    local each
    type -aP python3 python3.{6..30} || true
    for each in "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.*/bin/python3 /usr/bin/python3.* \
            /usr/local/bin/python3.* /opt/*/bin/python3; do
        if [[ -x $each && $each != *-config ]]; then
            say "$each"
        fi
    done
}

# Set `python` to the first interpreter that a test, a Python program given as text with arguments,
# accepts by printing a path.
find_python() {
    local each
    while read -r each; do
        if python=$("$each" -I -c "$@" 2>/dev/null) && [[ -n $python ]]; then
            return
        fi
    done < <(list_pythons)
    python=
    return 1
}

# --- the project's own virtual environment ------------------------------------------------------------

# shellcheck disable=SC2016
MAKES_VENV='
import sys
import ensurepip, venv
if sys.version_info >= (3, int(sys.argv[1])) and sys.implementation.name == "cpython":
    print(sys.executable)
'

# Make .venv with the packages that setup.cfg names for the tests, unless it is there and up to date. One at a time.
need_venv() {
    local lock
    exec {lock}<"$root"
    if ! flock --nonblock "$lock"; then
        say "$program: waiting for another script that makes .venv"
        flock "$lock"
    fi
    make_venv
    exec {lock}<&-
}

make_venv() {
    local stamp=$venv/.made-from want python_of_venv=$venv/bin/python
    want=$(echo "$root" && cat "$root/setup.cfg" "$root/pyproject.toml")
    if [[ -f $stamp && $(<"$stamp") == "$want" ]] && "$python_of_venv" -c 'import pytest' 2>/dev/null; then
        return
    fi
    if ! find_python "$MAKES_VENV" "$OLDEST_OWN_PYTHON"; then
        if ! install python "no Python 3.$OLDEST_OWN_PYTHON or newer with its venv module" ||
                ! find_python "$MAKES_VENV" "$OLDEST_OWN_PYTHON"; then
            die "no Python 3.$OLDEST_OWN_PYTHON or newer with its venv module" \
                "Install one: $(how_to_install python)"
        fi
    fi
    say "$program: making .venv with $python, and installing into it what setup.cfg names for the tests"
    "$python" -m venv --clear "$venv" || die "$python -m venv failed" "Install what it asks for above."
    local -a install=("$python_of_venv" -m pip --disable-pip-version-check install -qq)
    # pip 21.3 is the first that installs a folder with a pyproject.toml as editable.
    if ! "${install[@]}" 'pip >= 21.3' || ! "${install[@]}" --editable "${root}[test]"; then
        die "pip could not install what the tests need into .venv (see above)" \
            "It needs PyPI, or a mirror (PIP_INDEX_URL), or a folder that holds the wheels:" \
            "PIP_NO_INDEX=1 PIP_FIND_LINKS=/path/to/wheels $program"
    fi
    "${install[@]}" --editable "${root}[parallel]" ||
        say "$program: going on without pytest-xdist: one test at a time"
    "${install[@]}" --editable "${root}[health]" ||
        say "$program: going on without ruff and mypy: the code is not checked by them"
    printf '%s\n' "$want" >"$stamp"
}

# --- a process to attach to ---------------------------------------------------------------------------

# Run scripts/demo_service.py with $1 and wait until its two workers hang. What it says is in `said`.
start_service() {
    local line problem="did not hang within $SERVICE_DEADLINE seconds"
    said=()
    scratch=${scratch:-$(mktemp -d)}
    mkfifo "$scratch/said"
    # -I: nothing in the environment or the folder changes what it runs.
    "$1" -I -u "$root/scripts/demo_service.py" >"$scratch/said" 2>"$scratch/errors" </dev/null &
    service=$!
    exec {from_service}<"$scratch/said"
    while read -r -t "$SERVICE_DEADLINE" -u "$from_service" line; do
        if [[ $line == stalled ]]; then
            return
        fi
        said+=("$line")
    done
    kill -0 "$service" 2>/dev/null || problem="ended: $(tail -n 1 "$scratch/errors")"
    die "the demo service under $1 $problem"
}

end_service() {
    local pid=$service
    service=
    kill -KILL "$pid" 2>/dev/null || true
    # Not the shell's word on the killed job, which it prints when it sees the end.
    wait "$pid" 2>/dev/null || true
    exec {from_service}<&-
}

# gdb's exit status where it did not get hold of the process.
NOT_ATTACHED=33
LEAVE_IF_NOT_ATTACHED="python gdb.selected_inferior().pid or gdb.execute('quit $NOT_ATTACHED')"

# Whether this process has a capability of a given number.
has_capability() {
    local effective
    effective=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
    (((16#$effective >> $1) & 1))
}

CAP_SYS_PTRACE=19

# End with the reason why gdb could not attach to the demo service.
# $1: the file with what gdb said; the rest: more lines of remedy.
die_not_attached() {
    local said scope=0 status
    local -a more=("${@:2}")
    said=$(grep -iE 'ptrace|attach' "$1" | head -n 1) || true
    [[ -r /proc/sys/kernel/yama/ptrace_scope ]] && read -r scope </proc/sys/kernel/yama/ptrace_scope
    status=$(</proc/self/status)
    local what="gdb may not attach to a process here (${said:-it gave no reason})"
    if ((scope == 3)); then
        die "$what" "kernel.yama.ptrace_scope is 3, which forbids it to everybody." \
            "Set it lower in /etc/sysctl.d and boot again." "${more[@]}"
    elif ((scope == 2)) && ! has_capability $CAP_SYS_PTRACE; then
        die "$what" "kernel.yama.ptrace_scope is 2, which leaves it to root." \
            "Run: sudo $program   or allow it: sudo sysctl kernel.yama.ptrace_scope=1" "${more[@]}"
    elif [[ $status == *$'\nSeccomp:\t2'* ]]; then
        die "$what" "System calls are filtered (seccomp), as in a container." \
            "Start the container with --cap-add=SYS_PTRACE," \
            "and where that is not enough with --security-opt seccomp=unconfined too" \
            "(Kubernetes: securityContext.capabilities.add: [SYS_PTRACE])." "${more[@]}"
    elif ((EUID == 0)) && ! has_capability $CAP_SYS_PTRACE; then
        die "$what" "This is root without CAP_SYS_PTRACE, as in a container." \
            "Start the container with --cap-add=SYS_PTRACE." "${more[@]}"
    fi
    die "$what" "A security module may forbid it: on SELinux, setsebool deny_ptrace off." \
        "As root it may work: sudo $program" "${more[@]}"
}
