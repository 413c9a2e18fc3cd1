"""disentanglement_lib's path of tables of results."""

from dmt.analysis.aggregate import aggregate_results_to_json

__all__ = ["aggregate_results_to_json", "load_aggregated_json_results"]


def load_aggregated_json_results(source_path):
    """Reads a JSON file that `aggregate_results_to_json` wrote.

    Returns:
        pandas.DataFrame with a row for each result file.

    Raises:
        ValueError: if pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ValueError(
            "load_aggregated_json_results returns a pandas.DataFrame: pip install "
            "pandas, or use dmt.analysis.aggregate.load_aggregated_json_results, which "
            "returns a dictionary of lists."
        ) from error
    return pandas.read_json(source_path, orient="columns").sort_index()
