"""
Upstream's tests, and which of ours checks the same thing.

A row is upstream's name and ours, a test in one of `tests/spec/test_upstream_*.py` unless it names another file; or,
after a dash, why there is none. The kernel's own tests (upstream's kernel.rs) are in `tests/unit/runtime`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
HOME = [path.relative_to(TESTS).as_posix() for path in TESTS.glob("spec/test_upstream_*.py")]

RUST = {
    "it_works": "test_a_host_function_of_another_namespace_is_never_called",
    "test_plugin_threads": "test_three_threads_share_one_plugin",
    "test_cancel": "test_cancelling_works_again_and_again",
    "test_timeout": "test_a_loop_ends_with_the_word_timeout",
    "test_fuel": "test_fuel_ends_every_call_and_is_counted",
    "test_fuel_consumption": "test_fuel_ends_every_call_and_is_counted",
    "test_http_timeout": "test_http_ends_at_the_deadline",
    "test_typed_plugin_macro": "- a macro of Rust",
    "test_multiple_instantiations": "test_ten_thousand_calls_of_one_plugin",
    "test_globals": "test_a_global_counts_a_hundred_thousand_calls",
    "test_toml_manifest": "test_a_toml_manifest_with_data_inside",
    "test_call_with_host_context": "test_the_host_context_reaches_the_host_function",
    "test_fuzz_reflect_plugin": "test_inputs_of_every_length_make_the_round_trip",
    "test_memory_max": "test_128_kib_need_their_pages",
    "test_extism_error": "test_an_error_text_of_the_host_function_is_the_calls",
    "test_extism_memdump": "- there are no dumps",
    "test_extism_coredump": "- there are no dumps",
    "test_userdata": "test_user_data_is_the_object_itself",
    "test_http_not_allowed": "test_http_is_denied_without_allowed_hosts",
    "test_http_get": "test_http_get_twice_and_post",
    "test_http_post": "test_http_get_twice_and_post",
    "test_disable_cache": "test_compiled_code_is_found_again",
    "test_manifest_ptr_len": "test_addresses_of_the_process_are_no_source",
    "test_no_vars": "test_a_variable_that_is_too_large_fails_and_none_is_fine",
    "test_linking": "test_a_command_library_is_fresh_for_each_call",
    "test_readonly_dirs": "test_read_only_directories_can_be_read_only",
    "test_http_response_headers": "test_response_headers_only_where_granted",
    "test_http_response_headers_disabled": "test_response_headers_only_where_granted",
    "test_issue_620": "test_an_empty_output_is_an_empty_text",
    "test_issue_775": "test_a_trap_has_its_own_code",
    "pool test_threads": "test_a_pool_never_has_more_than_its_maximum",
    "pool test_exists": "test_a_pool_never_has_more_than_its_maximum",
}

PYTHON = {
    "test_call_plugin": "test_vowels_are_counted",
    "test_function_exists": "test_functions_exist_or_are_not_found",
    "test_errors_on_unknown_function": "test_functions_exist_or_are_not_found",
    "test_can_free_plugin": "test_a_closed_plugin_says_so",
    "test_plugin_del_frees_native_resources": "test_a_closed_plugin_says_so",
    "test_compiled_plugin_del_frees_native_resources": (
        "spec/test_drop_in.py::test_a_freed_compiled_plugin_leaves_its_plugins_alone"
    ),
    "test_extism_function_metadata_del_frees_native_resources": (
        "spec/test_drop_in.py::test_what_is_made_of_a_function_lets_go_of_it"
    ),
    "test_errors_on_bad_manifest": "test_a_bad_manifest_is_an_error",
    "test_extism_version": "test_there_is_a_version",
    "test_extism_plugin_timeout": "test_a_loop_ends_with_the_word_timeout",
    "test_extism_host_function": "test_host_functions_explicit_and_inferred",
    "test_inferred_extism_host_function": "test_host_functions_explicit_and_inferred",
    "test_inferred_json_param_extism_host_function": "test_host_functions_explicit_and_inferred",
    "test_codecs": "test_host_functions_explicit_and_inferred",
    "test_inferred_pickle_return_param_extism_host_function": (
        "test_host_functions_explicit_and_inferred"
    ),
    "test_host_context": "test_the_host_context_reaches_the_host_function",
    "test_extism_plugin_cancel": "test_cancelling_works_again_and_again",
    "TestConvertValue.test_convert_f64_value": (
        "spec/test_drop_in.py::test_a_c_value_becomes_a_val"
    ),
}

GO = {
    "TestWasmUrl": "test_a_module_from_a_url_with_its_hash",
    "TestHashMismatch": "test_a_module_from_a_url_with_its_hash",
    "TestFunctionExsits": "test_functions_exist_or_are_not_found",
    "TestFailOnUnknownFunction": "test_functions_exist_or_are_not_found",
    "TestCallFunction": "test_vowels_are_counted",
    "TestCallFunctionMultipleInstances": "test_one_hundred_threads_with_an_instance_each",
    "TestClosePlugin": "test_a_closed_plugin_says_so",
    "TestAlloc": "test_blocks_can_be_allocated_by_the_thousand",
    "TestConfig": "test_configuration_or_its_default",
    "TestFail": "test_a_guest_fails_with_its_text_and_code",
    "TestHello": "test_a_plugin_says_hello",
    "TestExit": "test_a_program_exits_with_its_status",
    "TestHost_simple": "test_numbers_memory_and_namespaces",
    "TestHost_memory": "test_numbers_memory_and_namespaces",
    "TestHost_multiple": "test_numbers_memory_and_namespaces",
    "TestHTTP_allowed": "test_an_allowed_pattern_opens_a_host",
    "TestHTTP_denied": "test_an_allowed_pattern_opens_a_host",
    "TestHTTPHeaders_allowed": "test_response_headers_only_where_granted",
    "TestHTTPHeaders_denied": "test_response_headers_only_where_granted",
    "TestLog_default": "test_logs_reach_python_with_their_levels",
    "TestLog_custom": "test_log_lines_are_handed_to_a_function",
    "TestTimeout": "test_a_loop_ends_with_the_word_timeout",
    "TestCancel": "test_cancelling_works_again_and_again",
    "TestContextCancel": "test_cancelling_works_again_and_again",
    "TestJsonManifest": "test_a_json_manifest_with_a_time_limit",
    "TestVar": "test_variables_live_on_the_hosts_side",
    "TestNoVars": "test_variables_can_be_switched_off",
    "TestFS": "test_files_of_a_granted_directory",
    "TestReadOnlyMount": "test_read_only_directories_can_be_read_only",
    "TestCountVowels": "test_vowels_are_counted",
    "TestCountVowelsStdGo": "test_a_command_reads_its_input",
    "TestMultipleCallsOutput": "test_an_earlier_output_is_not_overwritten",
    "TestInputOffset": "test_the_inputs_block_has_the_inputs_length",
    "TestHelloHaskell": "test_haskell_modules_are_started",
    "TestObserve": "- another company's adapter",
    "TestEnableExperimentalFeature": "- a setting of another engine",
    "TestModuleLinking": "test_modules_are_linked",
    "TestModuleLinkingMultipleInstances": "test_linked_modules_in_many_instances",
    "TestCompiledModuleMultipleInstances": "test_three_hundred_instances_of_three_calls",
    "TestMultipleCallsOutputParallel": "test_one_hundred_threads_with_an_instance_each",
}

JAVASCRIPT = {
    "loads from URL": "test_a_module_from_a_url_with_its_hash",
    "loads from Module, Response, module and hash": "- objects of a JavaScript engine",
    "bad hash, hash mismatch": "test_a_module_from_a_url_with_its_hash",
    "exports and imports listing": "test_what_a_module_offers_and_needs_can_be_listed",
    "call count_vowels": "test_vowels_are_counted",
    "link reflect and upper": "test_a_host_function_may_be_a_linked_module",
    "circular function linking": "test_modules_in_a_circle_are_refused",
    "missing dependency message": "test_a_missing_dependency_is_named",
    "typed-array views with offsets": "test_inputs_of_every_kind_of_bytes",
    "alloc": "test_blocks_can_be_allocated_by_the_thousand",
    "max pages too small, enough": "test_128_kib_need_their_pages",
    "input_offset": "test_the_inputs_block_has_the_inputs_length",
    "fail.wasm message": "test_a_guest_fails_with_its_text_and_code",
    "unknown function message": "test_functions_exist_or_are_not_found",
    "logging all levels, level filter": "test_logs_reach_python_with_their_levels",
    "host function context read and store": "test_numbers_memory_and_namespaces",
    "async host functions": "- awaiting comes later",
    "var limit exceeded, ok": "test_the_variable_limit_is_a_message_and_no_more",
    "reset drops blocks": "test_reset_drops_blocks",
    "host function throws": "test_an_exception_of_a_host_function_reaches_the_caller",
    "var.wasm": "test_variables_live_on_the_hosts_side",
    "Haskell": "test_haskell_modules_are_started",
    "manifest config fallback": "test_configuration_or_its_default",
    "WASI output stifled, enabled": "test_output_of_a_program_is_dropped_or_caught",
    "vars visible from host context": "test_variables_live_on_the_hosts_side",
    "timeout on call": "test_a_loop_ends_with_the_word_timeout",
    "timeout on init": "test_an_initialiser_has_a_time_limit",
    "host context preserved": "test_the_host_context_reaches_the_host_function",
    "multi-block writes through a 64-byte ring": "- of a worker's ring buffer",
    "not reentrant": "test_a_plugin_is_not_reentrant",
    "http denied": "test_http_is_denied_without_allowed_hosts",
    "http allowed, allowedHosts fallback": "test_an_allowed_pattern_opens_a_host",
    "http too large": "test_a_response_that_is_too_large",
    "ro: refused": "test_read_only_directories_can_be_read_only",
    "fs access, manifest allowedPaths fallback": "test_files_of_a_granted_directory",
    "linking a WASI command side module": "test_a_command_library_is_fresh_for_each_call",
}

ROWS = [
    (suite, row, ours)
    for suite, rows in (("rust", RUST), ("python", PYTHON), ("go", GO), ("js", JAVASCRIPT))
    for row, ours in rows.items()
]


def names_in(*files: str) -> set[str]:
    trees = [ast.parse((TESTS / file).read_text(encoding="utf-8")) for file in files]
    return {
        node.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize(("suite", "row", "ours"), ROWS, ids=lambda value: value[:40])
def test_each_row_has_a_test_or_a_reason(suite, row, ours):
    """What upstream checks is checked here under the name in the table, or the table says why not."""
    file, _, name = ours.rpartition("::")
    files = [file] if file else HOME

    assert ours.startswith("- ") or name in names_in(*files)


def test_no_test_stands_for_nothing():
    """Each test that was written for a row is in the table, but for those on our own account."""
    own = {"test_the_registry_is_what_a_plugin_gets_by_default"}

    assert names_in(*HOME) - {ours for _, _, ours in ROWS} == own
