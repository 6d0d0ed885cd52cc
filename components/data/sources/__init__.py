"""Where pictures and words come from; catalogue.yaml lists them."""

from components.data.sources.catalogue import build_source as build_source
