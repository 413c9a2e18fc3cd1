"""disentanglement_lib's path of studies; `dmt.studies.published` makes their runs."""

from dmt.studies.published import studies

__all__ = ["Study"]


class Study:
    """Gin files and bindings of the models of a study.

    A subclass sets `name`, or defines the three methods that return files.

    Attributes:
        name: name of a published study.
    """

    name: str | None = None

    def get_model_config(self, model_num=0):
        """Lines of gin of a model, and the path of the gin file that they override.

        Raises:
            ValueError: if there is no such model.
        """
        return self._study.model_bindings(model_num), self._study.model_file

    def get_postprocess_config_files(self):
        """Paths of gin files, one for each representation."""
        return list(self._study.postprocess_files)

    def get_eval_config_files(self):
        """Paths of gin files, one for each metric."""
        return list(self._study.evaluation_files)

    def print_model_config(self, model_num=0):
        """Prints the file and the bindings of a model."""
        bindings, path = self.get_model_config(model_num)
        _print("Gin file of the training", [path])
        _print("Gin bindings of the training", bindings)

    def print_postprocess_config(self):
        """Prints the files of the representations."""
        _print("Gin files of postprocessing", self.get_postprocess_config_files())

    def print_eval_config(self):
        """Prints the files of the metrics."""
        _print("Gin files of the evaluation", self.get_eval_config_files())

    @property
    def _study(self):
        if self.name is None:
            raise NotImplementedError(f"{type(self).__name__} must set name.")
        return studies.find(self.name)


def _print(title, lines):
    print(f"{title}:\n--", *lines, sep="\n")
