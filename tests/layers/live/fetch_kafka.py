"""Fetch the jars of one Kafka broker into data/cache/kafka with this machine's own Maven. What `make kafka` runs; no part of set-up."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "data" / "cache" / "kafka"
VERSION = "3.9.1"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>rw.twin</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><dependencies><dependency>
<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
</dependency></dependencies></project>"""


def main() -> int:
    if (FOLDER / f"kafka_2.13-{VERSION}.jar").exists():
        print(f"Kafka {VERSION} is in {FOLDER}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pom.xml").write_text(POM, encoding="utf-8")
        words = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={FOLDER}"]
        try:
            done = subprocess.run(words, cwd=folder, check=False, timeout=600)
        except FileNotFoundError:
            print("Kafka needs Java and Maven: apt-get install default-jre-headless maven", file=sys.stderr)
            return 1
        except subprocess.TimeoutExpired:
            print(
                "Maven did not end within ten minutes: try again, or name a broker in TWIN_TEST_KAFKA", file=sys.stderr
            )
            return 1
    if done.returncode:
        print("Maven cannot fetch Kafka from here: name a broker in TWIN_TEST_KAFKA instead", file=sys.stderr)
        return 1
    print(f"Kafka {VERSION} is in {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
