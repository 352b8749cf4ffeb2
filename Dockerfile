FROM python:3.11-slim

# A workspace may hold folders that are named like our packages; see tests/test_safepath.py.
ENV PYTHONSAFEPATH=1

COPY scripts/torch.txt /src/scripts/torch.txt
RUN pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu -r /src/scripts/torch.txt
COPY . /src
RUN pip install --no-cache-dir -r /src/scripts/torch.txt /src

ENTRYPOINT ["/usr/local/bin/mergesmith"]
