FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends make nodejs npm proj-data && rm -rf /var/lib/apt/lists/*
WORKDIR /twin
COPY . .
# The database and the broker are services beside this one.
RUN TWIN_DATABASE_URL=outside python3 app/install/install.py --without mosquitto
ENTRYPOINT [".venv/bin/twin"]
CMD ["up"]
