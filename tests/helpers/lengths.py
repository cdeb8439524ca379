"""Which tests only `make slow` runs, and of which `make test` runs a sample.

Every run costs more than a few seconds or is one of many that build the same code with other
parameters.  The sample takes each n-th of a test's runs; `make slow` runs the others.
"""

LONG = {
    # whole tools, with a quicker test of each part beside them
    'test_tools.py::test_compare_trains_any_configs_and_does_not_repeat',
    'test_one_run.py::test_a_run_gives_its_work_dir_back',
    'test_one_run.py::test_two_runs_at_once_one_of_which_ends_with_a_line',
    'test_one_run.py::test_seeds_of_a_config_that_says_resume_are_not_put_aside',
    'test_downstream_resume.py::test_a_killed_training_resumes_to_the_same_weights',
    'test_eoinas_downstream.py::test_searches_derives_and_trains_on',
    'test_distributed.py::test_two_processes_search_and_derive',
    'test_idle_stages.py::test_ddp_needs_no_scan_for_unused_parameters',
    'test_model_hub.py::test_an_installed_package_has_them_too',
    'test_data_parallel.py::test_two_processes_stay_equal',
    'test_gpu_check.py::test_a_part_ends_at_its_limit_and_its_rows_count',
    'test_gpu_check.py::test_the_run_ends_in_its_time',
    'test_gpu_check.py::test_searches_are_compared',
    # measurements, and what is compiled
    'test_gradient_norms.py::test_the_papers_distillation_outweighs_the_scripts_shares',
    'test_prune_simulation.py::test_the_default_finds_good_cells_of_nasbench201',
    'test_compiled_checkpointing.py::test_a_step_stays_the_same',
    'test_reading_path.py::test_the_page_counts_what_runs',
    'test_fx.py::test_quantised_to_int8_the_digits_stay',
    'test_study_run.py::test_a_killed_study_goes_on_to_the_same_results',
}
"""Tests of which `make slow` runs all."""

SAMPLED = {
    'test_algorithms.py::test_a_state_continues_the_search': 3,
    'test_algorithms.py::test_configs_are_left_alone': 4,
    'test_algorithms.py::test_derived_models_predict_as_the_one_hot_super_net': 3,
    'test_algorithms.py::test_random_search_follows_its_seed': 2,
    'test_algorithms.py::test_the_preprocessor_of_the_whole_is_passed_on': 4,
    'test_algorithms.py::test_the_same_algorithm_searches_in_three_libraries': 5,
    'test_backbone_contract.py::test_a_pretrained_file_gives_every_value': 3,
    'test_backbone_contract.py::test_frozen_stages_neither_learn_nor_move': 3,
    'test_backbone_contract.py::test_out_indices_choose_stages_in_their_order': 3,
    'test_backbone_contract.py::test_tracing_computes_the_same_on_other_images': 3,
    'test_benchmark_steps.py::test_every_formulation_trains_the_same': 3,
    'test_bilevel_resume.py::test_a_checkpoint_holds_what_a_phase_needs_and_nothing_pruned': 3,
    'test_bilevel_resume.py::test_an_interrupt_changes_nothing': 3,
    'test_cdarts_recipes.py::test_ablations_of_table_7': 4,
    'test_checkpointing.py::test_a_step_of_a_search_stays_the_same': 3,
    'test_configs.py::test_fits_together_at_full_size': 5,
    'test_configs.py::test_has_only_keys_that_a_runner_reads': 2,
    'test_configs.py::test_hooks_and_evaluators': 2,
    'test_configs.py::test_schedule_covers_the_run': 2,
    'test_configs.py::test_trains_a_step_and_predicts': 5,
    'test_costs.py::test_an_expanded_super_net_costs_what_it_did': 3,
    'test_custom_conv.py::test_channels_last_computes_the_same': 3,
    'test_darts.py::test_sizes_are_those_of_the_authors_networks': 3,
    'test_downstream_bad_input.py::test_an_image_that_cannot_be_read': 2,
    'test_downstream_configs.py::test_keys_hooks_and_sizes_at_full_size': 4,
    'test_downstream_configs.py::test_trains_a_step_and_predicts': 5,
    'test_downstream_search.py::test_searches_derives_and_trains_on': 2,
    'test_fx.py::test_activations_in_place_change_nothing': 3,
    'test_half.py::test_an_image_is_in_one_half_as_often_as_in_the_whole': 4,
    'test_idle_stages.py::test_a_file_of_the_whole_network_loads': 3,
    'test_idle_stages.py::test_every_parameter_that_may_learn_does': 3,
    'test_idle_stages.py::test_searches_below_the_last_stage_end': 4,
    'test_limited.py::test_it_is_the_best_of_all_architectures': 2,
    'test_metafiles.py::test_parameters_and_epochs_are_the_configs': 3,
    'test_mixed_dag.py::test_derived_networks_are_the_one_hot_super_net': 3,
    'test_mixed_dag.py::test_odd_images_compute_the_plain_formula': 4,
    'test_mixed_dag.py::test_the_cell_computes_the_plain_formula': 5,
    'test_mixed_dag.py::test_the_super_net_computes_equation_1': 3,
    'test_one_run.py::test_a_second_run_says_who_has_the_work_dir': 4,
    'test_one_run.py::test_the_record_is_rebuilt': 2,
    'test_packaging.py::test_a_missing_library_is_named_with_its_pip_command': 3,
    'test_packaging.py::test_what_a_library_lacks_inside_of_it_is_named': 3,
    'test_resume_settings.py::test_more_epochs_are_as_if_they_had_been_asked_for_at_once': 2,
    'test_resume_settings.py::test_what_makes_another_run_is_refused': 3,
    'test_senas.py::test_a_state_continues_across_shrinkings_and_expansions': 2,
    'test_transfer.py::test_every_prefix_is_recognised': 4,
}
"""Tests by the n of which each n-th run is in `make test`."""


def is_long(file: str, function: str, number: int) -> bool:
    """Whether `make slow` runs a run of a test: its ``number``, from 0, among the test's runs."""
    name = f'{file}::{function}'
    return name in LONG or number % SAMPLED.get(name, 1) != 0
