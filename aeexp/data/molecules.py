"""Molecules as SMILES strings, a line each. Weininger (1988), SMILES, a chemical language and information system."""

from types import ModuleType

import numpy as np
import torch

from aeexp.data.sequences import Sequences
from aeexp.errors import UserError
from aeexp.symbols import Property

RADIUS, BITS = 2, 2048  # of a fingerprint


class Molecules(Sequences):
    def valid(self, text: str) -> bool | None:
        """Whether RDKit reads it as a molecule; None without RDKit."""
        chemistry = _rdkit()
        return None if chemistry is None else bool(text) and chemistry.MolFromSmiles(text) is not None

    def property(self, texts: list[str]) -> Property:
        """log P, how a molecule divides between octanol and water, estimated from its atoms (Wildman and Crippen 1999),
        and circular fingerprints (Rogers and Hahn 2010, Extended-connectivity fingerprints)."""
        chemistry = _rdkit()
        if chemistry is None:
            raise UserError("log P is computed by RDKit: choose pip install 'aeexp[molecules]', or another evaluation")
        from rdkit.Chem import Crippen, rdFingerprintGenerator

        molecules = [chemistry.MolFromSmiles(text) for text in texts]
        circular = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
        bits = np.stack([circular.GetFingerprintAsNumPy(molecule) for molecule in molecules])
        values = [Crippen.MolLogP(molecule) for molecule in molecules]  # type: ignore[attr-defined]
        return Property("log P", torch.tensor(values).double(), torch.as_tensor(bits))


def _rdkit() -> ModuleType | None:
    try:
        from rdkit import Chem, rdBase
    except ImportError:
        return None
    rdBase.DisableLog("rdApp.*")  # what it says of each text that is no molecule
    return Chem
