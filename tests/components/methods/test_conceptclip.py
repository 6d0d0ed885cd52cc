"""ConceptCLIP: what its second term is, that without it it is SigLIP, over ranks, what is kept of it, and two known steps (seed 13)."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize, softplus

from components.contracts.batch import Spans
from components.contracts.encoded import TOKENS
from components.contracts.errors import CapabilityError, ConfigError
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.methods.conceptclip import ConceptClip
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.models.towers.image import ImageTower
from components.objectives.sigmoid import SigmoidLoss
from components.recipes.recipe import load_recipe
from components.recipes.section import build
from components.training.grad_cache import GradCache
from components.training.param_groups import param_groups
from tests.components.methods.conceptclip_ranks import MODES, outcome, told
from tests.components.training.gathering import WIDTH, Pixels, Words
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses
from tests.over_ranks import check_same, told_by_ranks
from tests.squares import REPOSITORY, described_at_debug, method_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "conceptclip_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)


@pytest.fixture
def conceptclip(vocabulary) -> ConceptClip:
    """Return the recipe's method; in evaluation, so that a batch norm has no batch's statistics."""
    method = method_at_debug(vocabulary, "conceptclip").eval()
    assert isinstance(method, ConceptClip)
    return method


@pytest.fixture(scope="module")
def batch(vocabulary):
    return batches_at_debug(vocabulary, "conceptclip")[0]


def with_spans(batch, row: list[int], first: list[int], last: list[int]):
    spans = Spans(row=torch.tensor(row).long(), first=torch.tensor(first).long(), last=torch.tensor(last).long())
    return replace(batch, spans={"caption": spans})


def test_without_concepts_it_is_siglip_to_the_bit(conceptclip, batch):
    method = ConceptClip(conceptclip.model, concept=0.0)
    losses = method.losses(replace(batch, spans={}), START)
    siglip = Clip(conceptclip.model, SigmoidLoss()).losses(batch, START)
    assert list(losses.terms) == ["contrast"]
    assert torch.equal(losses.terms["contrast"], siglip.terms["contrast"])
    assert [name for name, _ in method.named_parameters() if not name.startswith("model.")] == []


def test_both_terms_are_what_they_are_by_hand(conceptclip, batch):
    """Of each concept, the logit of each picture's nearest patch, and a mean over concepts; two of the first text, none of the second."""
    conceptclip.concept_scale.log_scale.data.fill_(1.0)
    conceptclip.concept_scale.bias.data.fill_(-2.0)
    some = with_spans(batch, [0, 0, 2], [1, 2, 3], [3, 3, 5])
    terms = conceptclip.losses(some, START).terms
    torch.testing.assert_close(
        terms["contrast"], Clip(conceptclip.model, SigmoidLoss()).losses(batch, START).terms["contrast"]
    )
    patches = normalize(conceptclip.model.encode_image(batch.images["main"], (TOKENS,)).tokens, dim=-1)
    words = conceptclip.model.encode_text(batch.texts["caption"], (TOKENS,)).tokens
    lost = []
    for text, first, last in ((0, 1, 3), (0, 2, 3), (2, 3, 5)):
        concept = normalize(words[text, first:last].mean(0), dim=-1)
        for picture in range(len(batch)):
            logit = torch.e * max(patches[picture] @ concept) - 2
            lost.append(softplus(-logit if picture == text else logit))
    torch.testing.assert_close(terms["concept"], 0.5 * sum(lost) / 3)


def test_of_one_patch_and_one_concept_that_is_the_caption_it_is_siglips_loss(batch):
    torch.manual_seed(0)
    net = ImageTower("resnet18", {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 24]})
    text = build(described_at_debug_text(), DualEncoder).text
    model = DualEncoder(net, text, width=16, logit_scale=LogitScale(temperature=0.2, bias=-3.0)).eval()
    texts = batch.texts["caption"]
    length = texts.mask.sum(1)
    whole = with_spans(batch, list(range(len(batch))), [0] * len(batch), length.tolist())
    image, said = model.encode_image(batch.images["main"], (TOKENS,)), model.encode_text(texts, (TOKENS,))
    assert image.tokens.shape[1] == 1
    mean = torch.stack([row[:count].mean(0) for row, count in zip(said.tokens, length.tolist(), strict=True)])
    wanted = SigmoidLoss()(image.tokens[:, 0], mean, torch.tensor(5.0), torch.tensor(-3.0))
    torch.testing.assert_close(ConceptClip(model, concept=1.0).losses(whole, START).terms["concept"], wanted)


def described_at_debug_text() -> dict:
    """Return a model whose text tower knows more tokens than the squares' captions have."""
    sized = {"vocabulary": 512, "context": 16}
    described = load_recipe(REPOSITORY, "conceptclip", "debug").model
    described["init_args"]["text"]["init_args"] |= sized
    return described


def test_a_batch_without_a_concept_loses_nothing_by_them_and_every_parameter_has_a_gradient(conceptclip, batch):
    none = with_spans(batch, [], [], [])
    losses = conceptclip.losses(none, START)
    assert losses.terms["concept"].item() == 0
    assert losses.seen["concepts"].item() == 0
    sum(losses.terms.values()).backward()
    assert [name for name, p in conceptclip.named_parameters() if p.grad is None] == []


def test_gradients_reach_every_parameter_and_a_scale_of_its_own_is_learnt(conceptclip, batch):
    for gain in (p for p in conceptclip.parameters() if p.ndim == 1):
        torch.nn.init.normal_(gain)
    sum(conceptclip.train().losses(batch, START).terms.values()).backward()
    assert [name for name, p in conceptclip.named_parameters() if p.grad is None or not p.grad.any()] == []
    optimisation = load_recipe(REPOSITORY, "conceptclip", "debug").training.optimisation
    learns = {id(p) for group in param_groups(conceptclip, optimisation) for p in group["params"]}
    assert {id(p) for p in conceptclip.concept_scale.parameters()} <= learns


def test_chunks_change_nothing(conceptclip, batch):
    whole = conceptclip.losses(batch, START).terms["concept"]
    torch.testing.assert_close(ConceptClip(conceptclip.model, chunk=3).losses(batch, START).terms["concept"], whole)


def test_a_batch_in_parts_has_the_gradient_of_the_whole(conceptclip, batch):
    cache, weight = GradCache(conceptclip.model, micro_batch=5), conceptclip.model.image_projection.linear.weight
    sum(conceptclip.losses(batch, START).terms.values()).backward()
    whole, weight.grad = weight.grad, None
    with cache.caching():
        sum(conceptclip.losses(batch, START).terms.values()).backward()
    cache.replay()
    torch.testing.assert_close(weight.grad, whole, rtol=1e-4, atol=1e-6)


def test_what_is_kept_is_siglips_model_parameter_by_parameter_and_answers_like_it(conceptclip, batch, vocabulary):
    """The scale of concepts is of training alone."""
    plain = described_at_debug(vocabulary, "siglip")
    plain["init_args"]["image"] = described_at_debug(vocabulary, "conceptclip")["init_args"]["image"]  # of its size
    other = build(plain, DualEncoder).eval()
    other.load_state_dict(conceptclip.model.state_dict())
    assert sum(p.numel() for p in other.parameters()) == sum(p.numel() for p in conceptclip.model.parameters())
    assert sum(p.numel() for p in conceptclip.parameters()) - sum(p.numel() for p in other.parameters()) == 2
    with torch.no_grad():
        assert torch.equal(
            other.encode_image(batch.images["main"]).pooled, conceptclip.model.encode_image(batch.images["main"]).pooled
        )
        assert torch.equal(
            other.encode_text(batch.texts["caption"]).pooled,
            conceptclip.model.encode_text(batch.texts["caption"]).pooled,
        )


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return told_by_ranks("tests.components.methods.conceptclip_ranks", tmp_path_factory.mktemp("ranks"), world=2)


@pytest.mark.parametrize("mode", MODES)
def test_two_ranks_equal_one_in_value_and_in_the_gradient_of_every_parameter(mode, ranks):
    for name in ("some", "none"):
        one, (first, second) = outcome(mode, name), (rank[f"{mode} {name}"] for rank in ranks)
        assert first == second
        check_same(first, one)
        assert name == "none" or all(torch.tensor(gradient).any() for gradient in one["gradients"].values())


def test_the_first_steps_lose_what_they_lost(vocabulary):
    losses = first_losses(method_at_debug(vocabulary, "conceptclip"), vocabulary, name="conceptclip")
    assert len(losses) == STEPS
    assert losses[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-5)
    assert losses[1] == pytest.approx(GOLDEN["losses"][1], rel=2e-3)


def test_both_scales_keep_their_bound(conceptclip):
    scales = (conceptclip.model.logit_scale, conceptclip.concept_scale)
    with torch.no_grad():
        for scale in scales:
            scale.log_scale.fill_(9.0)
    conceptclip.after_step(START)
    assert [scale().item() for scale in scales] == pytest.approx([1000, 1000])


@pytest.mark.parametrize(("numbers", "said"), [({"concept": -1.0}, "concept is -1.0"), ({"chunk": 0}, "chunk is 0")])
def test_numbers_that_mean_nothing_are_refused(conceptclip, numbers, said):
    with pytest.raises(ConfigError, match=said):
        ConceptClip(conceptclip.model, **numbers)


def test_what_it_cannot_learn_from_is_refused_with_what_to_write(conceptclip, batch):
    with pytest.raises(ConfigError, match=r"mentions: true.*Link"):
        conceptclip.losses(replace(batch, spans={}), START)
    with pytest.raises(ConfigError, match="has no bias"):
        ConceptClip(DualEncoder(Pixels(), Words(), width=WIDTH))
    bare = DualEncoder(Pixels(), Words(), width=WIDTH, logit_scale=LogitScale(bias=-10.0))
    with pytest.raises(CapabilityError, match="gives no tokens"):
        ConceptClip(bare).losses(told(0, 1, "some"), START)
    assert ConceptClip(bare, concept=0.0).losses(told(0, 1, "some"), START).terms
