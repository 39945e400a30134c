"""Every error that leaves a module of this project, as one tree."""


class PipelineError(Exception):
    """The root: a message that says what was wrong, where, and what to do."""


class ConfigError(PipelineError):
    """A setting, an option or a file named by the user cannot be used."""


class BrokerRefusesError(ConfigError):
    """The broker does not let this client in."""


class ContractError(PipelineError):
    """Bytes do not follow the contract of their topic, key or file format."""


class DecodeError(ContractError):
    """A record does not decode."""


class UnsupportedVersionError(ContractError):
    """Stored bytes were written by a newer version of this program."""


class RecoverableError(PipelineError):
    """Something outside is away; trying again may help."""


class BrokerUnavailableError(RecoverableError):
    """No Kafka broker answers."""


class MembershipLostError(RecoverableError):
    """The group has given this worker's partitions to others: what it wrote now would be a zombie's."""


class StoreUnavailableError(RecoverableError):
    """Redis does not answer."""


class SourceUnavailableError(RecoverableError):
    """A network that an agent reads from does not answer."""


class AccessRefusedError(SourceUnavailableError):
    """A network refuses a token, a key or an address: somebody must renew it."""


class FatalError(PipelineError):
    """Going on would lose or corrupt something: the process stops."""


class ChangelogWriteError(FatalError):
    """State could not be written to the changelog, so nothing may be committed."""


class ChangelogLostError(FatalError):
    """Rows that were folded are no longer in the changelog: who went on would have lost them without a word."""


class SnapshotWriteError(FatalError):
    """A snapshot could not be written; an older one is as it was."""


class TopicMismatchError(FatalError):
    """Topics that must agree in their partition count do not."""


class DeadLetterLimitError(FatalError):
    """So many records are refused that the input, not the records, must be wrong."""
