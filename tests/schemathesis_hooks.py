"""What schemathesis does not know by itself: session descriptions are text."""

import schemathesis

schemathesis.serializer.alias("application/sdp", "text/plain")
