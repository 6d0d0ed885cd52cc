"""Faults on real processes, by hand: `make drill DRILL=NAME`.

| drill | what breaks |
| --- | --- |
| alias_to_endpoint | Prefect, while aliases are set in the registry: how long it takes until the model answers |
| clock | the machine's clock jumps over the hour of a schedule, back, and over it again |
| expired_key | the key of MLflow expires while a run is under way |
| full_disk | no file of a stage may grow any more, in each stage |
| fuzz_gateway | what the gateway is asked is nonsense; fuzzed_tensors.py has that of Triton |
| mlflow_away | MLflow's server is killed while a training logs to it |
| nights | nothing, night after night: what grows |
| s3_away | S3 is away, slow, busy, or takes our key for expired |
| s3_pipeline | S3 is away, slow or busy, or takes the key no more, while a whole pipeline hands on by it what its stages make |
| server_disk | the disk that the servers keep their data on is full |
| soak | all of it, at random, from a seed |
| stack | a worker, PostgreSQL or Prefect's server is killed during a run, or S3 is away for a minute |
| deploy_under_load | nothing: a new version is deployed while clients ask all the time |
| corrupt_package, wrong_signature, nan_weights, wrong_dimension, onnx_that_does_not_load | a version that may not be served |
| server_killed_mid_load, disk_full, two_aliases_at_once, registry_locked_at_each_step | the way from an alias to the endpoint |
"""
