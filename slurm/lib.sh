# What the batch scripts share. Sourced by them, never run.
#
# Parameters that all scripts take from the environment (sbatch hands the submitter's on):
#   PULMO_BIN        folder of the programs; empty: they are found by PATH (the Debian packages, a module)
#   PULMO_CONTAINER  Apptainer image (slurm/pulmo.def) that holds the programs; empty: they run as they are
#   PULMO_BIND       folders beside the working folder that the container sees, DIR[,DIR...]
#   PULMO_TARGETS    folder of Prometheus's file discovery in which a job that has metrics registers; empty: it does not
#   PULMO_ADDRESS    name or address under which Prometheus reaches this node; empty: NodeAddr of slurm.conf
#   PULMO_RESTARTS   how often a job starts again by itself after a stop (default 100); then it fails with that reason

fail() { echo "${0##*/}: $*" >&2; exit 2; }
note() { echo "$(date -u +%FT%TZ) job ${SLURM_JOB_ID:-none} start ${SLURM_RESTART_COUNT:-0}: $*"; }

# need NAME 'what it is': the parameter must be set.
need() { [[ -n ${!1:-} ]] || fail "$1 is not set: $2"; }
need_dir() { need "$@"; [[ -d ${!1} ]] || fail "$1=${!1} is no folder that $(hostname -s) sees: $2"; }
need_file() { need "$@"; [[ -r ${!1} ]] || fail "$1=${!1} is no file that $(hostname -s) can read: $2"; }
# need_count NAME LOW HIGH: a whole number within bounds.
need_count() {
  [[ ${!1:-} =~ ^[0-9]{1,9}$ ]] && ((10#${!1} >= $2 && 10#${!1} <= $3)) ||
    fail "$1=${!1:-} must be a whole number from $2 to $3"
}

# Sets `program` to the command line of one of the programs.
set_program() {
  program=("${PULMO_BIN:+$PULMO_BIN/}$1")
  if [[ -n ${PULMO_CONTAINER:-} ]]; then
    need_file PULMO_CONTAINER "an Apptainer image"
    program=(apptainer exec ${PULMO_BIND:+--bind "$PULMO_BIND"} "$PULMO_CONTAINER" "$1")
  fi
  command -v "${program[0]}" >/dev/null ||
    fail "${program[0]} is not found on $(hostname -s): set PULMO_BIN or PULMO_CONTAINER, or load the module"
}

# Splits a parameter that holds options, one a line or separated by blanks, into the array `words`.
set_words() { read -r -d '' -a words <<<"${!1:-} " || true; }

# register PORT: writes PULMO_TARGETS/JOB-NAME-JOB.json, whole or not at all, since Prometheus reads the folder at any moment (it passes over
# names that do not end in .json). withdraw removes it.
register() {
  local node=${SLURMD_NODENAME:-$(hostname -s)} address
  target=$PULMO_TARGETS/$SLURM_JOB_NAME-$SLURM_JOB_ID.json
  address=${PULMO_ADDRESS:-$(scontrol show node "$node" | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p')}
  printf '[{"targets": ["%s:%s"], "labels": {"slurm_job_id": "%s", "node": "%s"}}]\n' \
    "${address:-$node}" "$1" "$SLURM_JOB_ID" "$node" >"$target.new"
  sync "$target.new"
  mv "$target.new" "$target"
}
withdraw() { if [[ -n ${target:-} ]]; then rm -f "$target"; fi; }

# Steps are told of time limit and preemption, with the time to save their state. The script itself gets SIGTERM only where Slurm
# ends the job for good or requeues it: scancel, preemption after its grace, a lost node.
ended_by_slurm=''
if [[ -n ${SLURM_JOB_ID:-} ]]; then trap 'ended_by_slurm=1' TERM; fi

# start_again WHY: puts this very job (of an array: this element) back into the queue. Does not return.
start_again() {
  local job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID} most=${PULMO_RESTARTS:-100}
  if ((${SLURM_RESTART_COUNT:-0} >= most)); then
    note "$1; not started again: PULMO_RESTARTS=$most starts are used up"
    exit 1
  fi
  # `scontrol requeue` would raise a cancelled job from the dead; a preempted one Slurm requeues itself.
  if [[ -n $ended_by_slurm ]]; then
    note "$1; ended by Slurm"
    exit 1
  fi
  note "$1; back into the queue"
  scontrol requeue "${job:-$SLURM_JOB_ID}" || true
  sleep 600  # Slurm ends the script here
  if [[ -n $ended_by_slurm ]]; then exit 1; fi
  note "Slurm did not take the job back: is JobRequeue=0 in slurm.conf, or was it submitted with --no-requeue?"
  exit 1
}

# Whether every node of the job still answers. After a failed step this tells a program's own failure, which would come
# again, from a node that died.
nodes_answer() {
  timeout 120 srun --overlap --mpi=none --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" \
    --ntasks-per-node=1 true >/dev/null 2>&1
}

# finish CODE: how the script ends after its step ended with CODE, 75 meaning "stopped with its state saved".
finish() {
  case "$1" in
    0) note "done" ;;
    75) start_again "stopped with its state saved" ;;
    143) # by SIGTERM, before the program listened
      if scontrol show job "$SLURM_JOB_ID" | grep -q 'PreemptTime=[0-9]'; then start_again "preempted as it started"; fi
      note "failed with exit code $1"
      exit "$1"
      ;;
    *)
      # 2 is wrong usage: no node's fault.
      if (($1 != 2)) && ! nodes_answer; then
        # Slurm itself requeues the job once it has given the node up (SlurmdTimeout); the job's end comes from there.
        note "a node does not answer; waiting for Slurm to give it up"
        sleep 360
        start_again "a node did not answer"
      fi
      note "failed with exit code $1"
      exit "$1"
      ;;
  esac
}
