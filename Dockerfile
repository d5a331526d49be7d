# scenivid in a container, built from this repository.
#
#   docker build -t scenivid .                                   CPU
#   docker build -t scenivid:cuda --build-arg TORCH=cuda .       NVIDIA GPUs
#
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" scenivid stylize in.mp4 out.mp4
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD:/work" scenivid:cuda stylize in.mp4 out.mp4
#   docker run --rm -p 127.0.0.1:7860:7860 -v scenivid:/data scenivid ui --host 0.0.0.0
#
# --user: what is made belongs to you. Weights, the engines' choices, and the window's jobs lie in the volume /data.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY scenivid ./scenivid
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:${PYTHON}-slim
# cpu, or cuda: torch's usual wheels for Linux bring CUDA with them.
ARG TORCH=cpu
ARG EXTRAS=onnx,openvino,ui
COPY constraints.txt /tmp/constraints.txt
RUN if [ "$TORCH" = cpu ]; then index="--index-url https://download.pytorch.org/whl/cpu"; else index=""; fi \
 && pip install --no-cache-dir --constraint /tmp/constraints.txt $index torch torchvision
COPY --from=wheel /wheel /tmp/wheel
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt "$(ls /tmp/wheel/*.whl)[$EXTRAS]" \
 && rm -r /tmp/wheel /tmp/constraints.txt \
 && useradd --no-create-home --uid 1000 scenivid \
 && mkdir --mode 1777 /data /work
# NVENC needs "video", which is not among the capabilities given by default.
ENV SCENIVID_HOME=/data \
    HOME=/data \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
USER scenivid
VOLUME /data
WORKDIR /work
EXPOSE 7860
ENTRYPOINT ["scenivid"]
CMD ["--help"]
