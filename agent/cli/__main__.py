"""`python -P -m rsi.agent.cli`: the verbs without the console script, for workers that rsi starts."""

import sys

from rsi.agent.cli.entry import main

sys.exit(main())
