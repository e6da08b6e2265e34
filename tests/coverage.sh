# shellcheck shell=bash
# The stage coverage: which lines of plugins/ the tests run, in modules and in Ansible's forks too; sourced by run.sh.

COVERED="${COVERED:-unit integration runner}" # the stages it measures

coverage_config() { # FOLDER: for processes of every kind, for modules wherever Ansible unpacks them, without the packages it makes up around them
  cat <<CONFIG
[run]
data_file = $1/data
parallel = true
concurrency = multiprocessing, thread
patch = subprocess, _exit
include =
    $PWD/plugins/*
    */ansible_collections/intake/vms/plugins/*
disable_warnings = no-data-collected, module-not-measured, module-not-imported, include-ignored
[paths]
source =
    $PWD/plugins
    */ansible_collections/intake/vms/plugins
[report]
include_namespace_packages = true
include = $PWD/plugins/*
CONFIG
}

stage_coverage() {
  local folder="$OUTPUT/coverage" config="$OUTPUT/coverage/config" stage
  # shellcheck disable=SC2034 # the stages run it
  local PYTEST=(python -m coverage run "--rcfile=$config" -m pytest)
  as_root rm -rf "$folder"
  mkdir -p "$folder"
  coverage_config "$folder" >"$config"
  for stage in $COVERED; do "stage_$stage"; done
  python -m coverage run --rcfile="$config" --source=plugins /dev/null # files that nothing imported count too
  check coverage-combine python -m coverage combine --rcfile="$config"
  check coverage-report python -m coverage report --rcfile="$config" --show-missing
  say "  $(tail -n 1 "$OUTPUT/coverage-report.log") (lines of plugins/, not run, run; each file in $OUTPUT/coverage-report.log)"
}
