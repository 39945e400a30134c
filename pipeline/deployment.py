"""The part of the settings that the state depends on, for all who fold: the worker and the oracle."""

from pipeline.scoring import model
from pipeline.scoring.spikes import SpikeConfig
from pipeline.settings import Settings
from pipeline.state.partition import StateConfig


def state_config(settings: Settings) -> StateConfig:
    """
    Return what every process of a deployment must fold with; from now on this one scores by the deployment's model.

    Raises:
        ConfigError: There is no such model.
    """
    model.use(settings.model)
    return StateConfig(
        dedupe_seconds=settings.dedupe_horizon_s,
        dedupe_ids=settings.dedupe_ids,
        future_ms=settings.future_limit_s * 1000,
        record_limit=settings.record_limit_bytes,
        spikes=SpikeConfig(
            evidence=settings.spike_evidence,
            least=settings.spike_least,
            cooldown_seconds=settings.spike_cooldown_s,
        ),
    )
