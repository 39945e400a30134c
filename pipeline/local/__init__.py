"""The one-command mode: every role, a broker and a Valkey as child processes of one terminal."""
