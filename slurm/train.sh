# The training step of fit.sbatch and compare.sbatch. Sourced by them after lib.sh.
#
#   PULMO_DATA      prepared folder, on a disk that all nodes see                                  (required)
#   PULMO_RUN       folder of the run, likewise; the same one goes on where it stopped             (required)
#   PULMO_CONFIG    configuration (configs/train/*.yaml, configs/compare.yaml)                     (required)
#   PULMO_OPTIONS   further options of pulmo-train, separated by blanks: --set training.epochs=20  (default none)
#   PULMO_METRICS_PORT  with PULMO_TARGETS: where rank 0 offers its metrics to Prometheus          (default 9464)
#   PULMO_MPI       srun's --mpi: pmix where Open MPI was built with it, as Debian's is            (default pmix)

# In a job array (compare only) an element makes the rows of the patient fold of its number.

# train COMMAND: runs `pulmo-train COMMAND` as one step, one rank a task, and ends the script.
train() {
  need_dir PULMO_DATA "the prepared folder (pulmo-prepare)"
  need PULMO_RUN "the folder of the run"
  need_file PULMO_CONFIG "the configuration, such as configs/compare.yaml"
  set_program pulmo-train
  set_words PULMO_OPTIONS
  # What --fresh asks for was done by the first start: a job that comes back goes on.
  if ((${SLURM_RESTART_COUNT:-0} > 0)); then
    local word kept=()
    for word in "${words[@]}"; do [[ $word == --fresh ]] || kept+=("$word"); done
    words=("${kept[@]}")
  fi
  if [[ -n ${PULMO_TARGETS:-} ]]; then
    : "${PULMO_METRICS_PORT:=9464}"
    need_dir PULMO_TARGETS "the folder that Prometheus watches"
    need_count PULMO_METRICS_PORT 1 65535
    # Elements of an array may share a node.
    PULMO_METRICS_PORT=$((PULMO_METRICS_PORT + ${SLURM_ARRAY_TASK_ID:-0}))
    words+=(--set "watch.metrics_port=$PULMO_METRICS_PORT")
    trap withdraw EXIT
  fi
  local arguments=("$1" --config "$PULMO_CONFIG" --data "$PULMO_DATA" --output "$PULMO_RUN" --progress plain "${words[@]}")
  if [[ -n ${SLURM_ARRAY_TASK_ID:-} ]]; then arguments+=(--fold "$SLURM_ARRAY_TASK_ID"); fi
  mkdir -p "$PULMO_RUN"
  export PULMO_STOP_MARK=$PULMO_RUN/.stopped-$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}
  # A rank computes on all processors of its task. The libraries would otherwise take those of the whole node.
  export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
  # Threads stay on their rank's processors, and memory comes from the domain they run in.
  export OMP_PROC_BIND=close OMP_PLACES=cores
  local options=(
    --mpi="${PULMO_MPI:-pmix}"
    --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}"  # since Slurm 22.05 a step does not inherit it
    --cpu-bind=cores --mem-bind=local
    --distribution=block:block                   # neighbouring ranks beside each other, each inside one domain
    --kill-on-bad-exit=1
  )
  # One card a rank; the rank nearest to it.
  if [[ -n ${SLURM_GPUS_ON_NODE:-} ]]; then options+=(--gpus-per-task=1 --gpu-bind=closest); fi
  note "$1 on ${SLURM_JOB_NUM_NODES} node(s) ${SLURM_JOB_NODELIST}, ${SLURM_NTASKS} rank(s) of $OMP_NUM_THREADS thread(s)"
  # Rank 0 runs on the first node, as this script does.
  if [[ -n ${PULMO_TARGETS:-} ]]; then register "$PULMO_METRICS_PORT"; fi
  local code=0
  srun "${options[@]}" "$here/rank" "${program[@]}" "${arguments[@]}" || code=$?
  withdraw
  if [[ -e $PULMO_STOP_MARK ]]; then
    rm -f "$PULMO_STOP_MARK"
    code=75
  fi
  finish "$code"
}
