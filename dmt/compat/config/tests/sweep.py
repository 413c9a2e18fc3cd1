"""disentanglement_lib's path of a study for dry runs."""

from dmt.compat.config import study
from dmt.compat.utils import resources

__all__ = ["TestStudy"]


class TestStudy(study.Study):
    """See `Study`."""

    # Not a class of tests of pytest.
    __test__ = False

    def get_model_config(self, model_num=0):
        """See `Study`. All models are alike."""
        return [], resources.get_file(
            "config/tests/methods/unsupervised/train_test.gin"
        )

    def get_postprocess_config_files(self):
        """See `Study`."""
        return _files("postprocessing/postprocess_test_configs")

    def get_eval_config_files(self):
        """See `Study`."""
        return _files("evaluation/evaluate_test_configs")


def _files(folder):
    return list(resources.get_files_in_folder(f"config/tests/{folder}"))
