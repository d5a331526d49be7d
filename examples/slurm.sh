#!/bin/bash
# A folder of films on a Slurm cluster: four jobs share it through the file system alone.
#
#     sbatch examples/slurm.sh /shared/shots /shared/stylized
#
# A job that is killed or runs out of time loses at most ten seconds of video: the others take up what it was at,
# and so does the same command given again.
#SBATCH --job-name=scenivid
#SBATCH --array=1-4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@30
set -eu
exec srun scenivid batch "$1" "$2" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --resume --workers auto
