# One image for the Action, the bot, the Space and a terminal. BASE is any image with Python 3.11 and its pip. TORCH is
# cpu, or a version of CUDA as PyTorch's index names it, such as cu130: then `--device cuda` finds a GPU, and the image
# is several times as large.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS wheel
COPY scripts/requirements-build.txt /src/scripts/
RUN python3 -m pip install --no-cache-dir --no-deps --require-hashes -r /src/scripts/requirements-build.txt
COPY . /src
RUN python3 -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheel /src

FROM ${BASE}

# A workspace may hold folders that are named like our packages; see tests/test_safepath.py.
ENV PYTHONSAFEPATH=1
# What we print and what the commands that we start print must reach a runner's log in order.
ENV PYTHONUNBUFFERED=1

COPY scripts/torch.txt scripts/requirements.txt /opt/mergesmith/
# torch comes from PyTorch's own index, whose files differ from those that the lock has hashes for; so it is held by its
# version, and stops the build where it turns out to be another build. In a layer of its own, for it is nearly all of
# the image and seldom changes. What it needs is in the lock, but for CUDA's libraries. Its headers, test programs and
# compilers are of no use here.
ARG TORCH=cpu
RUN if [ "$TORCH" = cpu ]; then needs=--no-deps; else needs=; fi \
    && python3 -m pip install --no-cache-dir $needs --index-url "https://download.pytorch.org/whl/$TORCH" \
        -r /opt/mergesmith/torch.txt \
    && cd "$(python3 -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])')" \
    && test "$TORCH" = "$(python3 -c 'import runpy; cuda = runpy.run_path("version.py")["cuda"]; \
        print("cu" + cuda.replace(".", "") if cuda else "cpu")')" \
    && find bin -mindepth 1 ! -name torch_shm_manager -delete \
    && rm -rf include share test
RUN python3 -m pip install --no-cache-dir --no-deps --require-hashes -r /opt/mergesmith/requirements.txt
COPY --from=wheel /wheel /opt/mergesmith
RUN python3 -m pip install --no-cache-dir --no-deps --no-index /opt/mergesmith/*.whl

# A terminal's; action.yml names its own.
ENTRYPOINT ["/usr/local/bin/mergesmith"]
