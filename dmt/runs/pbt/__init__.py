"""Population-based training with synchronous truncation selection.

Jaderberg et al. (2017), "Population based training of neural networks", in the form of
Estermann, Marks and Yanik (2020), "Robust disentanglement of a few factors at a time",
https://arxiv.org/abs/2010.13527. In every round, all members see equally many images
and are scored. The worst members copy the weights, the optimizer state and the
hyperparameters of the best ones, and perturb the hyperparameters.

Read `settings` for what gin configures and for the selection, `rounds` for what is on
disk and how members are trained and scored, and `engine` for the loop over rounds.
"""
