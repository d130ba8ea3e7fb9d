# All images, for both kinds of processors. Run in the project's top folder:
#
#   docker buildx bake -f deploy/docker-bake.hcl --print            what would be built
#   REGISTRY=registry.example/me/ docker buildx bake -f deploy/docker-bake.hcl all --push
#
# Pushing keeps both platforms, where each image came from and what is in it (SBOM). Docker's own
# store has room for one platform; for this machine alone, docker build (deploy/Dockerfile) is enough.

variable "REGISTRY" { default = "" } # where images are pushed to, with a slash at its end
variable "VERSION" { default = "0.1.0" }
variable "REVISION" { default = "" } # git rev-parse HEAD
variable "SOURCE" { default = "" }   # the address of the repository

group "default" { targets = ["bot"] }
group "all" { targets = ["bot", "training", "cluster"] }

target "base" {
  context    = "."
  dockerfile = "deploy/Dockerfile"
  pull       = true # with Debian's newest fixes
  platforms  = ["linux/amd64", "linux/arm64"]
  labels = {
    "org.opencontainers.image.version"  = VERSION
    "org.opencontainers.image.revision" = REVISION
    "org.opencontainers.image.source"   = SOURCE
  }
  attest = ["type=provenance,mode=max", "type=sbom"]
}

# Writes poems, and trains nothing.
target "bot" {
  inherits = ["base"]
  args     = { TRAINING = "no", CLUSTER = "no" }
  tags     = ["${REGISTRY}sonneteer:${VERSION}", "${REGISTRY}sonneteer:latest"]
}

# Takes books, too.
target "training" {
  inherits = ["base"]
  args     = { TRAINING = "yes", CLUSTER = "no" }
  tags     = ["${REGISTRY}sonneteer:${VERSION}-training", "${REGISTRY}sonneteer:training"]
}

# Gateways, workers and trainers of deploy/cluster/compose.yaml.
target "cluster" {
  inherits = ["base"]
  args     = { TRAINING = "yes", CLUSTER = "yes" }
  tags     = ["${REGISTRY}sonneteer:${VERSION}-cluster", "${REGISTRY}sonneteer:cluster"]
}
